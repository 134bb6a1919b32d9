"""Files in an object store, by address: S3, GCS, Azure, whatever fsspec has a plugin for.

Who may use the store is a matter between it and its own library, which reads the usual variables and files
(AWS_PROFILE, AWS_ENDPOINT_URL, GOOGLE_APPLICATION_CREDENTIALS and so on): no credential is known here.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from segtrain.errors import UserError
from segtrain.records import atomic_file

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://?")  # s3://bucket; one slash is what a Path makes of two
PROBE = ".probe"
S3_OPTIONS = {"config_kwargs": {"connect_timeout": 10, "read_timeout": 60, "retries": {"max_attempts": 1}}}
"""The caller has patience of its own."""


class StoreError(UserError):
    """An address that is none, or a store that cannot be used, now or at all."""


class ObjectStore:
    """The files under `address`, each by its path below it, such as `trials/<id>/status.json`.

    Every method raises StoreError when the store does not do what it is asked.
    """

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        if not ADDRESS.match(address) or not parts.netloc:
            raise StoreError(f"{address!r} is no address of an object store; allowed: such as s3://bucket/prefix")
        if parts.username is not None or parts.password is not None:
            raise StoreError(
                f"the address of the object store at {parts.hostname} has a name or password in it, which would be "
                "written down; leave them out, and give them to its library in its own variables or files"
            )
        self.address = address.rstrip("/")
        try:
            import fsspec

            options: dict[str, Any] = dict(S3_OPTIONS) if parts.scheme in ("s3", "s3a") else {}
            self.files, self.root = fsspec.url_to_fs(
                self.address, use_listings_cache=False, skip_instance_cache=True, **options
            )
        except (ImportError, ValueError) as error:  # no such protocol, or its plugin is not installed
            raise StoreError(
                f"{self.address} cannot be used: {error}; for s3:// uv pip install -e '.[mirror]'"
            ) from None
        self.root = self.root.rstrip("/")

    def check(self) -> None:
        """Raises StoreError unless files can be written here."""
        with self._telling("written to"):
            self.files.pipe_file(f"{self.root}/{PROBE}", b"")
            self.files.rm_file(f"{self.root}/{PROBE}")

    def read(self, path: str) -> bytes | None:
        """None when there is no such file."""
        with self._telling("read"):
            try:
                return bytes(self.files.cat_file(f"{self.root}/{path}"))
            except FileNotFoundError:
                return None

    def write(self, path: str, content: bytes) -> None:
        with self._telling("written to"):
            self.files.pipe_file(f"{self.root}/{path}", content)

    def put(self, local: Path, path: str) -> None:
        """Copies a file there. Raises FileNotFoundError when it has gone meanwhile."""
        with self._telling("written to"):
            self.files.put_file(str(local), f"{self.root}/{path}")

    def get(self, path: str, local: Path) -> None:
        """Copies a file here, whole or not at all."""
        local.parent.mkdir(parents=True, exist_ok=True)
        with self._telling("read"), atomic_file(local) as file:
            self.files.get_file(f"{self.root}/{path}", file.name)

    def remove(self, path: str) -> None:
        with self._telling("written to"):
            self.files.rm_file(f"{self.root}/{path}")

    def list(self, folder: str) -> list[str]:
        """Paths of all files below `folder`, relative to it."""
        start = f"{self.root}/{folder}/"
        with self._telling("read"):
            found = sorted(str(path) for path in self.files.find(start))
        paths = [path.removeprefix(start) for path in found]
        for path in paths:
            if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
                raise StoreError(f"{self.address} has a file named {path!r}, which would leave its folder; remove it")
        return paths

    @contextmanager
    def _telling(self, done: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # of S3 alone: botocore's, aiohttp's, asyncio's and the system's
            if isinstance(error, FileNotFoundError) and error.filename and os.path.isabs(error.filename):
                raise  # a local one
            reason = " ".join(str(error).split()) or type(error).__name__
            raise StoreError(f"{self.address} cannot be {done} ({reason})") from error
