"""Serves a study's live page and the files of its report, and nothing else, to whoever knows the token.

The address is http://<host>:<port>/<token>/. By default it is of loopback alone. GET and HEAD alone are answered, with
files that are in the report's folder and no links; whatever else is asked for, with a wrong token too, is one 404.
"""

import hmac
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from analysis.watch.live_page import LivePage
from segtrain import records

KINDS = {
    ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
    ".csv": "text/csv; charset=utf-8", ".md": "text/plain; charset=utf-8", ".tex": "text/plain; charset=utf-8",
    ".png": "image/png", ".svg": "image/svg+xml", ".pdf": "application/pdf",
}  # fmt: skip
"""Of the files that are served."""
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # a link must not carry the token away
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'",
}
PATIENCE_S = 10.0
"""For a client to say what it wants."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    token: str

    def __init__(self, host: str, port: int, page: LivePage) -> None:
        """Raises OSError where the address cannot be had. Port 0 takes a free one."""
        self.token = secrets.token_urlsafe(24)
        self.page = page
        super().__init__((host, port), Handler)

    @property
    def address(self) -> str:
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}/{self.token}/"


class Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = PATIENCE_S
    server_version, sys_version = "watch", ""

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: addresses hold the token."""

    def _answer(self, *, with_body: bool) -> None:
        status, kind, content = HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"not found\n"
        with suppress(OSError, ValueError):  # the report is being written anew; an address that is none
            if (found := self._find()) is not None:
                status, kind, content = HTTPStatus.OK, found[0], found[1]()
        with suppress(ConnectionError, TimeoutError):  # who asked has gone
            self._send(status, kind, content, with_body)

    def _find(self) -> tuple[str, Callable[[], bytes]] | None:
        """(kind, content) of what is asked for; None for everything that is not there to be had."""
        parts = unquote(urlsplit(self.path).path).split("/", 2)
        if len(parts) < 3 or not hmac.compare_digest(parts[1].encode(errors="replace"), self.server.token.encode()):
            return None
        pages: dict[str, Callable[[], str]] = {
            "": self.server.page.render, "live": self.server.page.render_changing,
        }  # fmt: skip
        if parts[2] in pages:
            return KINDS[".html"], lambda: pages[parts[2]]().encode(errors="replace")
        # What is asked for is looked up among the files that are there: no path is made of it.
        path = report_files(self.server.page.report.folder / records.REPORT_DIR).get(parts[2])
        return None if path is None else (KINDS[path.suffix], path.read_bytes)

    def _send(self, status: HTTPStatus, kind: str, content: bytes, with_body: bool) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(content)


def report_files(folder: Path) -> dict[str, Path]:
    """`report/tables/claims.csv` -> the file, of all that a report has. Links are none of it."""
    found: dict[str, Path] = {}
    for place, folders, names in os.walk(folder, followlinks=False):
        folders[:] = [name for name in folders if not (Path(place) / name).is_symlink()]
        for path in (Path(place) / name for name in names):
            if path.suffix in KINDS and path.is_file() and not path.is_symlink():
                found[f"{records.REPORT_DIR}/{path.relative_to(folder).as_posix()}"] = path
    return found if not folder.is_symlink() else {}
