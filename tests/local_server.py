"""A local web server as a static host is one: gzip, a sub-path, the site's 404 page, and a log."""

from __future__ import annotations

import gzip
import mimetypes
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote, urlsplit

TEXT = ("text/", "application/json", "application/javascript", "image/svg+xml", "application/xml")
# Keeps a Chromium from all other hosts. Playwright's routes would do so too, but without its cache.
ONLY_HERE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
MAX_AGE = 600  # seconds; what GitHub Pages tells browsers


@dataclass(frozen=True)
class Sent:
    """One answer: the path asked for, below the sub-path; `size` is bytes of its body as sent."""

    path: str
    status: int
    kind: str  # media type
    size: int


@dataclass
class Served:
    """A running server.

    Attributes:
        folder: what it serves; may be set, or filled, after the start.
        prefix: the sub-path, with a slash at both ends.
        port: on 127.0.0.1.
        log: the answers so far.
    """

    folder: Path
    prefix: str
    port: int = 0
    log: list[Sent] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The address of the home page."""
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    def paths(self) -> list[str]:
        """The paths that were asked for, without queries."""
        return [sent.path for sent in self.log]


@cache
def _packed(path: Path, _changed: int) -> bytes:
    return gzip.compress(path.read_bytes(), 6, mtime=0)


def _handler(served: Served) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            below = path.removeprefix(served.prefix)
            file = (served.folder / below).resolve()
            inside = path.startswith(served.prefix) and file.is_relative_to(served.folder.resolve())
            if inside and file.is_dir() and not path.endswith("/"):
                self.answer(below, 301, "text/html", b"", {"Location": f"{path}/"})
            elif inside and file.is_dir() and (file / "index.html").is_file():
                self.file(below, 200, file / "index.html")
            elif inside and file.is_file():
                self.file(below, 200, file)
            elif (served.folder / "404.html").is_file():
                self.file(below, 404, served.folder / "404.html")
            else:
                self.answer(below, 404, "text/plain", b"not here")

        def file(self, below: str, status: int, file: Path) -> None:
            kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
            age = MAX_AGE if status == 200 else 0
            headers = {"Cache-Control": f"max-age={age}", "Vary": "Accept-Encoding"}
            if kind.startswith(TEXT) and "gzip" in self.headers.get("Accept-Encoding", ""):
                body = _packed(file, file.stat().st_mtime_ns)
                self.answer(below, status, kind, body, {**headers, "Content-Encoding": "gzip"})
            else:
                self.answer(below, status, kind, file.read_bytes(), headers)

        def answer(
            self,
            below: str,
            status: int,
            kind: str,
            body: bytes,
            headers: Mapping[str, str] = MappingProxyType({}),
        ) -> None:
            served.log.append(Sent(below, status, kind, len(body)))
            utf8 = "; charset=utf-8" if kind.startswith(TEXT) else ""
            self.send_response(status)
            fixed = {"Content-Type": kind + utf8, "Content-Length": str(len(body))}
            for name, value in {**fixed, **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """The log is `served.log`."""

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that goes away in the middle of an answer is no error."""


@contextmanager
def serve(folder: Path, prefix: str = "/", port: int = 0) -> Iterator[Served]:
    """Serve `folder` under the sub-path `prefix` on 127.0.0.1; port 0 takes a free one."""
    served = Served(folder, prefix)
    with _Server(("127.0.0.1", port), _handler(served)) as server:
        served.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()
