"""The machines: a Ray of our own, or one that runs already; and how many trials they hold at once."""

import logging
import math
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from sweeps.engine.ask.options import Options
from sweeps.engine.plan.resources import Nodes, ResourceError, TrialResources, local_node, pick_resources

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is told to anybody
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the trial folders have it all
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C may end it at once: nothing is lost
    "RAY_AIR_NEW_OUTPUT": "0",
    # Imported by every worker as soon as it starts, before anybody asks it to train.
    "RAY_preload_python_modules": "sweeps.engine.run.trainable,segtrain.training.trial",
}
"""Read by Ray when it is imported or started."""
QUIET = {"log_to_driver": False, "logging_level": "error"}


def find_nodes(options: Options) -> Nodes:
    """The machines that a sweep would run on, without starting anything. Raises ResourceError."""
    if options.address is None:
        return [local_node()]
    with starting_ray(options) as ready:
        return ready()()


def check_address(address: str) -> None:
    """Raises ResourceError when nothing listens at HOST:PORT: Ray would try for more than a minute, then exit."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=5):
            pass
    except (OSError, ValueError) as error:
        raise ResourceError(
            f"--address is {address!r} and no Ray cluster answers there ({error}); give the HOST:PORT that "
            "`ray start --head` printed"
        ) from None


@contextmanager
def starting_ray(options: Options) -> Iterator[Callable[[], Callable[[], Nodes]]]:
    """Connects to the cluster at `options.address`, or starts a Ray on this machine that ends with this process, while
    its caller goes on. Gives a function that waits until Ray is there, and gives one that returns the resources of the
    nodes that are alive. Raises ResourceError, the waiting too."""
    os.environ.update(ENVIRONMENT)
    # Tune prints a traceback for every worker that dies; the table says it in a line, and the queue tries again.
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    node = local_node()
    own = None if options.address else pick_resources([node], *options.resources)
    with ThreadPoolExecutor(1, thread_name_prefix="ray") as pool:
        if own is None:
            started = pool.submit(_connect, str(options.address))
        else:
            started = pool.submit(_start, own, own.slots([node]))
        try:
            yield started.result
        finally:
            if started.exception() is None:  # waits for it
                import ray

                ray.shutdown()


def _start(trial: TrialResources, slots: int) -> Callable[[], Nodes]:
    """A Ray with the CPUs and GPUs of `slots` trials, no more: it starts a process for each CPU at once."""
    os.environ.update(
        {
            # With more CPUs a trial there would be more processes than trials.
            "RAY_prestart_worker_first_driver": str(trial.cpus <= 1).lower(),
            # As many are kept while they wait for work; else Tune's reservation of the CPUs would end them all.
            "RAY_num_workers_soft_limit": str(slots),
        }
    )
    import ray  # most of a second

    cpus = math.ceil(slots * trial.cpus)
    ray.init("local", num_cpus=cpus, num_gpus=trial.num_gpus, include_dashboard=False, **QUIET)
    return _alive_nodes


def _connect(address: str) -> Callable[[], Nodes]:
    check_address(address)
    import ray

    ray.init(address, **QUIET)
    return _alive_nodes


def _alive_nodes() -> Nodes:
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]
