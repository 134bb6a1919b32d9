"""An S3 server of its own on loopback."""

from collections.abc import Iterator

import pytest
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from segtrain.mirror.object_store import ObjectStore

S3_VARIABLES = {
    "AWS_ACCESS_KEY_ID": "me",
    "AWS_SECRET_ACCESS_KEY": "s3cret-of-this-test",
    "AWS_DEFAULT_REGION": "us-east-1",
}


class S3Server:
    """Takes and gives what it is asked to while it is up; what it holds outlives its `down`."""

    def __init__(self) -> None:
        self.server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self.server.start()
        self.port = self.server.get_host_and_port()[1]
        self.variables = {**S3_VARIABLES, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}"}

    def down(self) -> None:
        self.server.stop()
        assert self.server._server is not None
        self.server._server.server_close()

    def up(self) -> None:
        self.server = ThreadedMotoServer("127.0.0.1", self.port, verbose=False)
        self.server.start()


@pytest.fixture(scope="session")
def running_s3() -> Iterator[S3Server]:
    server = S3Server()
    yield server
    server.server.stop()


@pytest.fixture
def s3(running_s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """Empty but for a bucket named `lab`, and the variables that a user would have set for it."""
    for name, value in running_s3.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    files = ObjectStore("s3://lab").files
    if files.exists("lab"):
        files.rm("lab", recursive=True)
    files.mkdir("lab")
    return running_s3
