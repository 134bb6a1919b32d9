"""What is no Ray cluster, or no folder, is one line within seconds."""

import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from sweeps.engine.plan.resources import ResourceError
from sweeps.engine.run import cluster

Call = Callable[..., tuple[int, str]]
LONGEST_S = 15.0  # the promise


@pytest.fixture
def web_server() -> Iterator[str]:
    """The address of a server that speaks HTTP."""
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def deaf_server() -> Iterator[str]:
    """The address of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_the_longest_look_for_a_cluster_keeps_its_promise() -> None:
    assert cluster.CONNECT_S + cluster.PROBE_S < LONGEST_S


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere", "127.0.0.1:port", "127.0.0.1:99999999999", "s3://a:1"])
def test_an_address_where_nothing_listens_is_a_line(address: str) -> None:
    sentence = f"--address is {address!r} and no Ray cluster answers there ("
    with pytest.raises(ResourceError, match=f"^{re.escape(sentence)}.+; give the HOST:PORT that `ray start --head`"):
        cluster.find_cluster(address)


def test_a_server_of_another_kind_is_a_line(web_server: str, deaf_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PROBE_S", 3.0)
    for address in (web_server, deaf_server):
        with pytest.raises(ResourceError, match=f"^--address is '{address}'.*; give the HOST:PORT that "):
            cluster.find_cluster(address)


def test_ray_address_is_what_address_is(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    code, text = call("--demo", "--plan")
    assert (code, text.count("error:")) == (2, 1), text
    assert "--address is '127.0.0.1:1' and no Ray cluster answers there" in text
    assert call("--demo", "--plan", "--address", "local")[0] == 0


@pytest.mark.parametrize("out", ["s3://bucket/runs", "gs://bucket", "file:///tmp/runs"])
def test_an_out_that_is_no_folder_is_a_line(call: Call, out: str) -> None:
    code, text = call("--demo", "--out", out)
    assert (code, text.count("\n")) == (2, 1), text
    assert text.startswith(f"error: --out is '{out.split(':')[0]}:/")


def test_a_ray_of_its_own_listens_on_loopback_alone() -> None:
    """Without what LOOPBACK_ONLY sets it gives itself the address of this machine."""
    asked = "from ray._private.services import get_node_ip_address; print(get_node_ip_address())"
    assert cluster.LOOPBACK_ONLY
    environment = {**cluster.ENVIRONMENT, **cluster.LOOPBACK_ONLY, "PATH": ""}
    found = subprocess.run([sys.executable, "-c", asked], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "127.0.0.1"
