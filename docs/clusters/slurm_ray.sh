#!/bin/bash
# One job over several nodes, one Ray over all of them, one sweep:
#   sbatch docs/clusters/slurm_ray.sh sweeps/fcn_grid.py --out /shared/runs --data-root /shared/data
#SBATCH --job-name=sweep
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=32
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address=$head:$((20000 + SLURM_JOB_ID % 10000))  # a port of this job's own
# Without them whoever reaches these ports may run programs here.
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_TOKEN RAY_AUTH_MODE=token
node="ray start --block --num-cpus=$SLURM_CPUS_PER_TASK --disable-usage-stats"

srun --nodes=1 --ntasks=1 --nodelist="$head" $node --head --port="${address##*:}" --include-dashboard=false &
until ray health-check --address "$address" 2>/dev/null; do
    kill -0 $! || exit 1  # its head did not start
    sleep 1
done
if [ "$SLURM_NNODES" -gt 1 ]; then
    srun --nodes=$((SLURM_NNODES - 1)) --ntasks=$((SLURM_NNODES - 1)) --exclude="$head" $node --address="$address" &
fi

python "$@" --address "$address" &
sweep=$!
trap 'told=yes; kill -USR1 $sweep' USR1 TERM
wait $sweep
code=$?
if [ -n "$told" ]; then  # the first wait ended with the signal
    wait $sweep
    code=$?
fi
trap '' TERM
kill $(jobs -p) 2>/dev/null  # the Ray of this job, and no other of this user
wait
if [ "$code" -eq 138 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
