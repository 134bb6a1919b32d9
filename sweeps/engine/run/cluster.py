"""The machines: a Ray of our own, or one that runs already; and how many trials they hold at once."""

import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import ray

from sweeps.engine.plan.resources import Nodes, ResourceError, local_node


def find_nodes(address: str | None) -> Nodes:
    """The machines that a sweep would run on, without starting anything. Raises ResourceError."""
    if address is None:
        return [local_node()]
    with ray_session(address) as nodes:
        return nodes()


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
def ray_session(address: str | None) -> Iterator[Callable[[], Nodes]]:
    """Connects to the cluster at `address`, or starts a Ray on this machine that ends with this process. Gives a
    function that returns the resources of the nodes that are alive. Raises ResourceError."""
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"  # the trial folders have it all
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"  # Ctrl-C may end it at once: nothing is lost
    # Tune prints a traceback for every worker that dies; the table says it in a line, and the queue tries again.
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    quiet = {"log_to_driver": False, "logging_level": "error"}
    if address is None:
        node = local_node()
        ray.init("local", num_cpus=int(node["CPU"]), num_gpus=int(node["GPU"]), include_dashboard=False, **quiet)
    else:
        check_address(address)
        ray.init(address, **quiet)
    try:
        yield lambda: [node["Resources"] for node in ray.nodes() if node["Alive"]]
    finally:
        ray.shutdown()
