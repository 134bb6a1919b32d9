#!/bin/bash
# One job over whole nodes, by Ray's own launcher. It ends with `ray stop`, which ends every Ray of this user on them:
#   sbatch --nodes=4 docs/clusters/slurm_symmetric.sh sweeps/fcn_grid.py --out /shared/runs --data-root /shared/data
#SBATCH --job-name=sweep
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --no-kill
#SBATCH --open-mode=append

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)  # where this script runs, and the sweep
address=$head:$((20000 + SLURM_JOB_ID % 10000))
# Without a token whoever reaches these ports may run programs here.
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_TOKEN RAY_AUTH_MODE=token
export RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=300  # seconds, for all nodes to come
export RAY_gcs_rpc_server_reconnect_timeout_s=15  # for so long the others stay when the first has ended
pid=$(mktemp)

srun --no-kill --kill-on-bad-exit=0 --cpus-per-task="$SLURM_CPUS_PER_TASK" \
    ray symmetric-run --address "$address" --min-nodes "$SLURM_NNODES" \
    --num-cpus="$SLURM_CPUS_PER_TASK" --disable-usage-stats -- \
    bash -c 'echo $$ >"$0"; exec python "$@"' "$pid" "$@" --address "$address" &
step=$!
# The sweep alone is told: the launcher would end with the signal, and leave everything behind.
trap 'told=yes; kill -USR1 $(cat "$pid")' USR1 TERM
wait $step
code=$?
if [ -n "$told" ]; then  # the first wait ended with the signal
    wait $step
    code=$?
fi
rm "$pid"
if [ "$code" -eq 138 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
