"""The machines: a Ray of our own, or one that runs already; and how many trials they hold at once."""

import ctypes
import logging
import math
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from functools import partial
from typing import Any

from sweeps.engine.ask.options import Options
from sweeps.engine.plan.resources import Nodes, ResourceError, local_node, pick_resources

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is told to anybody
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the trial folders have it all
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C may end it at once: nothing is lost
    "RAY_AIR_NEW_OUTPUT": "0",
}
"""Read by Ray when it is imported or started."""
OWN_ENVIRONMENT = {
    # Despite its name looked at on every system: with 0 Ray has the address 127.0.0.1, and listens there alone.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # When memory runs out Ray would end the worker that began last; the kernel ends the one that takes most.
    "RAY_memory_monitor_refresh_ms": "0",
    # A worker imports what a trial needs before it is given one, and waits for it; by default Ray would end it when the
    # CPUs are reserved for trials that have not come yet.
    "RAY_preload_python_modules": "segtrain.training.trial,sweeps.engine.run.trainable",
    "RAY_idle_worker_killing_time_threshold_ms": "600000",
}
"""Likewise, of a Ray of our own."""
ALLOCATOR = ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1:glibc.malloc.arena_max=1")
"""Likewise, where it is not set: what a step allocates lies in pages of 2 MB, whose addresses the processor has at hand
(docs/speed.md), and threads allocate from one place. Of each place of its own a thread would leave behind what it took
to write a checkpoint, and a worker would grow with every trial. The C library reads it when a process starts, so it is
for the workers."""
PRESTART = "RAY_prestart_worker_first_driver"
"""Likewise; true or false."""
NEEDLESS = ("start_monitor", "start_api_server", "start_log_monitor")
"""Of `ray._private.node.Node`: what starts the autoscaler, the dashboard's server, which `include_dashboard=False` only
empties, and the collector of output that nobody reads. Each is a Python that imports Ray, and each is waited for."""
CONNECT_S, PROBE_S = 4.0, 10.0
STARTED_S = 20.0
"""How long a command that is told to end waits for a Ray that is just starting. A signal to every process of a job, as
Slurm may send it, also ends what Ray has started so far; Ray would wait a minute for that, then end this process with
a code of its own."""
PROBE = """
import sys
from ray._private.services import canonicalize_bootstrap_address_or_die
from ray._raylet import GcsClient
address = canonicalize_bootstrap_address_or_die(sys.argv[1])
GcsClient(address=address)
print(address)
"""


def find_nodes(options: Options) -> Nodes:
    """The machines that a sweep would run on, without starting anything. Raises ResourceError."""
    if options.address is None:
        return [local_node()]
    with starting_ray(options) as ready:
        return ready()()


def find_cluster(address: str) -> str:
    """HOST:PORT of the Ray cluster at `address`, which may be "auto". Raises ResourceError within 15 s when there is
    none: Ray itself would try for more than a minute, then end this process."""
    advice = "give the HOST:PORT that `ray start --head` printed"
    if address != "auto":
        host, _, port = address.rpartition(":")
        try:
            with socket.create_connection((host, int(port)), timeout=CONNECT_S):
                pass
        except (OSError, ValueError, OverflowError) as error:
            raise ResourceError(
                f"--address is {address!r} and no Ray cluster answers there ({error}); {advice}"
            ) from None
    # In a process of its own, since Ray's client ends the one it is in.
    command = [sys.executable, "-c", PROBE, address]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_S)
    except subprocess.TimeoutExpired:
        raise ResourceError(
            f"--address is {address!r} and what listens there did not answer as a Ray cluster does within "
            f"{PROBE_S:g} s; {advice}"
        ) from None
    if found.returncode != 0:
        where = "there is none on this machine" if address == "auto" else "what listens there is none"
        raise ResourceError(f"--address is {address!r}, which is to be a Ray cluster, and {where}; {advice}")
    return found.stdout.splitlines()[-1]


@contextmanager
def starting_ray(options: Options, trials: int = 0) -> Iterator[Callable[[], Callable[[], Nodes]]]:
    """Connects to the cluster at `options.address`, or starts a Ray on this machine that ends with this process, while
    its caller goes on. Gives a function that waits until Ray is there, and gives one that returns the resources of the
    nodes that are alive. `trials` is how many there are to run. Raises ResourceError, the waiting too."""
    os.environ.update(ENVIRONMENT)
    # Tune prints a traceback for every worker that dies; the table says it in a line, and the queue tries again.
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    if options.address is None:
        node = local_node()
        own = pick_resources([node], *options.resources)
        slots = own.slots([node])
        cpus = math.ceil(node["CPU"] if options.measured else slots * own.cpus)
        gpus = node["GPU"] if own.num_gpus is None else own.num_gpus
        # Ray begins with a worker for each CPU, or with none: not where trials have several CPUs, or are few.
        prestart = str(cpus <= min(slots, trials)).lower()
        os.environ.update(OWN_ENVIRONMENT | {PRESTART: prestart})
        os.environ.setdefault(*ALLOCATOR)
        start = partial(_start, cpus, int(gpus), int(node["memory"]))
    else:
        start = partial(_connect, find_cluster(options.address))
    started: Future[Callable[[], Nodes]] = Future()
    over = threading.Event()

    def fill() -> None:
        try:
            started.set_result(start())
        except BaseException as error:
            started.set_exception(error)
        # Ray has asked Linux to end its processes with their parent, by which Linux means the thread that started them.
        over.wait()

    # A daemon, which does not hold this process back: see STARTED_S.
    threading.Thread(target=fill, name="ray", daemon=True).start()
    try:
        yield started.result
    finally:
        if started in wait([started], STARTED_S).done and started.exception() is None:
            import ray

            ray.shutdown()
        over.set()


def _init_ray(address: str, **how: Any) -> None:
    """`ray.init`, after which SIGTERM does what it did before: Ray's own handler, in C++, would end this process with
    a dump of its stack. Python lets only the main thread set handlers, and this is not called there."""
    import ray  # most of a second

    get, put = ctypes.pythonapi.PyOS_getsig, ctypes.pythonapi.PyOS_setsig
    get.restype, put.argtypes = ctypes.c_void_p, (ctypes.c_int, ctypes.c_void_p)
    handler = get(signal.SIGTERM)
    try:
        ray.init(address, log_to_driver=False, logging_level="error", **how)
    finally:
        put(signal.SIGTERM, handler)


def _start(cpus: int, gpus: int, memory: int) -> Callable[[], Nodes]:
    from ray._private import utils
    from ray._private.node import Node

    for name in NEEDLESS:
        setattr(Node, name, lambda *_, **__: None)
    utils.set_kill_on_parent_death_linux = partial(_leave_group, utils.set_kill_on_parent_death_linux)
    try:
        _init_ray("local", num_cpus=cpus, num_gpus=gpus, _memory=memory, include_dashboard=False)
    except Exception as error:  # a bare one, when it is not there within the 30 s that Ray gives itself
        reason = " ".join(str(error).split())
        raise ResourceError(f"Ray could not be started on this machine: {reason}; give the command again") from error
    return _alive_nodes


def _leave_group(die_with_parent: Callable[[], None]) -> None:
    """Run in each new process of Ray. A signal to the process group of the command, such as `timeout` sends, then
    reaches the command alone, which ends Ray: with its Ray gone it may be inside a call that waits a minute for it and
    then ends the process with a code of its own."""
    os.setpgid(0, 0)
    die_with_parent()


def _connect(address: str) -> Callable[[], Nodes]:
    try:
        _init_ray(address)
    except (ConnectionError, RuntimeError) as error:  # such as another version of Ray or Python
        reason = " ".join(str(error).split())
        raise ResourceError(f"the Ray cluster at {address} cannot be used from here: {reason}") from None
    return _alive_nodes


def _alive_nodes() -> Nodes:
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]
