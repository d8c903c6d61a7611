"""A hub on this machine: what huggingface_hub asks of one, over HTTP, with faults on demand."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

__all__ = ["Hub", "serving"]

COMMIT = "0123456789abcdef0123456789abcdef01234567"
_LARGE = 100_000
"""Files from here on are LFS: they have a SHA-256, and lie behind a redirection."""


@dataclass
class Hub:
    """A repository, and what goes wrong with it."""

    name: str
    files: dict[str, bytes]
    licence: str = "apache-2.0"
    is_gated: bool = False
    break_at: dict[str, list[int]] = field(default_factory=dict)
    """Of a file: after how many bytes of each answer the connection breaks; then no more."""
    pause: threading.Event | None = None
    """Wait for it in the middle of a file."""
    lies: dict[str, bytes] = field(default_factory=dict)
    """What is given instead."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Each file that was asked for, with its range."""
    half_way: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def description(self) -> bytes:
        siblings = []
        for path, data in self.files.items():
            about = {
                "rfilename": path, "size": len(data),
                "blobId": hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest(),
            }  # fmt: skip
            if len(data) >= _LARGE:
                sha256 = hashlib.sha256(data).hexdigest()
                about["lfs"] = {"sha256": sha256, "size": len(data), "pointerSize": 134}
            siblings.append(about)
        return json.dumps(
            {"id": self.name, "modelId": self.name, "sha": COMMIT, "siblings": siblings,
             "cardData": {"license": self.licence}, "tags": [], "downloads": 0}
        ).encode()  # fmt: skip


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    class Answers(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def do_GET(self) -> None:
            _answer(self, hub)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield hub
    finally:
        if hub.pause is not None:
            hub.pause.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _answer(request: BaseHTTPRequestHandler, hub: Hub) -> None:
    path = request.path.partition("?")[0]
    if path.startswith("/api/models/"):
        name, _, revision = path.removeprefix("/api/models/").partition("/revision/")
        if name != hub.name:
            _refuse(request, 404, "RepoNotFound")
        elif hub.is_gated:
            _refuse(request, 403, "GatedRepo")
        elif revision not in ("", "main", "v1", COMMIT):
            _refuse(request, 404, "RevisionNotFound")
        else:
            _send(request, hub.description())
        return
    found = re.fullmatch(rf"/(?:{re.escape(hub.name)}/resolve/{COMMIT}|cdn)/(.+)", path)
    if found is None or found[1] not in hub.files:
        _refuse(request, 404, "EntryNotFound")
    elif len(hub.files[found[1]]) >= _LARGE and not path.startswith("/cdn/"):
        request.send_response(302)
        request.send_header("Location", f"{hub.url}/cdn/{found[1]}")
        request.send_header("Content-Length", "0")
        request.end_headers()
    else:
        _give(request, hub, found[1])


def _give(request: BaseHTTPRequestHandler, hub: Hub, path: str) -> None:
    wanted = request.headers.get("Range", "")
    hub.asked.append((path, wanted))
    data = hub.lies.get(path, hub.files[path])
    first = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
    request.send_response(206 if wanted else 200)
    if wanted:
        request.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
    request.send_header("Content-Length", str(len(data) - first))
    request.end_headers()
    breaks = hub.break_at.get(path, [])
    if breaks:
        request.wfile.write(data[first : first + breaks.pop(0)])
        request.close_connection = True
    elif hub.pause is not None and len(data) >= _LARGE:
        half = (first + len(data)) // 2
        request.wfile.write(data[first:half])
        hub.half_way.set()
        hub.pause.wait(20)
        _write(request, data[half:])
    else:
        _write(request, data[first:])


def _write(request: BaseHTTPRequestHandler, data: bytes) -> None:
    try:
        request.wfile.write(data)
    except (BrokenPipeError, ConnectionResetError):
        request.close_connection = True  # who asked was told to stop


def _send(request: BaseHTTPRequestHandler, data: bytes) -> None:
    request.send_response(200)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(data)))
    request.end_headers()
    request.wfile.write(data)


def _refuse(request: BaseHTTPRequestHandler, status: int, code: str) -> None:
    request.send_response(status)
    request.send_header("X-Error-Code", code)
    request.send_header("Content-Length", "0")
    request.end_headers()


def files_of(folder: Path) -> dict[str, bytes]:
    """A folder as a repository."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
