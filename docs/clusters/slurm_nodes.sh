#!/bin/bash
# One job over several nodes: a Ray over them that ends with the job and reaches no other Ray of this user, and one sweep.
#   sbatch --nodes=4 docs/clusters/slurm_nodes.sh sweeps/fcn_grid.py --out /shared/runs --data-root /shared/data
#SBATCH --job-name=sweep
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --no-kill
#SBATCH --open-mode=append

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)  # where this script runs
port=$((20000 + SLURM_JOB_ID % 10000))  # of this job alone
# Without a token whoever reaches these ports may run programs here.
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_TOKEN RAY_AUTH_MODE=token
# --no-kill: a lost node leaves its trials to the others. Slurm does not always hand on --cpus-per-task by itself.
step="srun --no-kill --kill-on-bad-exit=0 --cpus-per-task=$SLURM_CPUS_PER_TASK"
node="ray start --block --disable-usage-stats --num-cpus=$SLURM_CPUS_PER_TASK"

$step --nodes=1 --ntasks=1 --nodelist="$head" $node --head --port="$port" --include-dashboard=false &
rays=$!
until (: <"/dev/tcp/$head/$port") 2>/dev/null; do
    kill -0 "$rays" || exit 1  # it could not start
    sleep 1
done
if [ "$SLURM_NNODES" -gt 1 ]; then
    others=$((SLURM_NNODES - 1))
    $step --nodes=$others --ntasks=$others --exclude="$head" $node --address="$head:$port" &
    rays="$rays $!"
fi

python "$@" --address "$head:$port" &
sweep=$!
trap 'told=yes; kill -USR1 $sweep' USR1 TERM
wait $sweep
code=$?
if [ -n "$told" ]; then  # the first wait ended with the signal
    wait $sweep
    code=$?
fi
trap '' USR1 TERM
kill $rays  # these alone, where `ray stop` would end every Ray of this user
wait
if [ "$code" -eq 138 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
