#!/bin/bash
# nodes.sh FOLDER SCRIPT ARGUMENT...: runs a batch script on node0, beside node1. Both are of this machine: each has an
# address, a host name, a /tmp/ray and processes of its own, and sees no others. Started by
#   unshare --user --map-root-user --mount --net --uts --pid --fork --kill-child --mount-proc bash nodes.sh ...
# so that nothing in it reaches, or outlives, what is outside. FOLDER/bin has the commands of Slurm.
set -e
folder=$1
shift
printf '127.0.0.1 localhost\n10.77.0.1 node0\n10.77.0.2 node1\n' >"$folder/hosts"
mount --bind "$folder/hosts" /etc/hosts
mkdir -p /tmp/ray
ip link add switch type bridge
ip link set switch up

# start_node NAME: sets $node to its first process, which takes up orphans; whoever ends it ends the node.
start_node() {
    unshare --mount --net --uts --pid --fork --kill-child --mount-proc bash -c \
        "mount -t tmpfs ray /tmp/ray; hostname $1; exec -a $1 bash -c 'while :; do sleep infinity & wait; done'" &
    until node=$(pgrep --parent $!) && [ "$(ps -o args= "$node" | cut -d' ' -f1)" = "$1" ]; do sleep 0.05; done
}
on() { nsenter --target "$1" --mount --net --uts --pid --wd="$PWD" -- "${@:2}"; }

# connect NAME PROCESS ADDRESS: by a cable of its own, which goes with it.
connect() {
    ip link add "to-$1" master switch type veth peer name eth0 netns "$2"
    ip link set "to-$1" up
    on "$2" bash -c "ip link set lo up; ip addr add $3/24 dev eth0; ip link set eth0 up"
}

start_node node0 && node0=$node && connect node0 "$node0" 10.77.0.1
start_node node1 && node1=$node && connect node1 "$node1" 10.77.0.2

# What srun asks for on node1: `start STEP` and `term STEP`.
declare -A steps
rm -f "$folder/asked" && mkfifo "$folder/asked"
while read -r verb step; do
    if [ "$verb" = start ]; then
        (code=0 && { on "$node1" bash "$step" || code=$?; } && echo $code >"$step.code") &
        steps[$step]=$!
    else
        kill "$(pgrep --parent "$(pgrep --parent "${steps[$step]}")")" || true
    fi
done <>"$folder/asked" &
SLURM_FOLDER=$folder PATH=$folder/bin:$PATH on "$node0" bash "$@"
