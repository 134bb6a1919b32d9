#!/bin/bash
# Independent tasks on one shared --out, without Ray between them; each takes the trials that no other has:
#   sbatch --array=0-7 docs/clusters/slurm_array.sh sweeps/fcn_grid.py --out /shared/runs --data-root /shared/data
#SBATCH --job-name=sweep
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --gpus=1
#SBATCH --cpus-per-task=8
#SBATCH --time=08:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append

python "$@" &
sweep=$!
trap 'told=yes; kill -USR1 $sweep' USR1 TERM
wait $sweep
code=$?
if [ -n "$told" ]; then  # the first wait ended with the signal
    wait $sweep
    code=$?
fi
if [ "$code" -eq 138 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
