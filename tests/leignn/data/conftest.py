"""Shared by the tests of downloads, and how the tests of stores read."""

import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import forked
import pytest

from leignn.data import download, pool
from tests.leignn.data.served import NAME, Server


@pytest.fixture(autouse=True)
def forked_reader(monkeypatch) -> None:
    """A single reading process is forked from one that has its imports; several are spawned as ever."""

    def executor(workers: int, mp_context) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(workers, mp_context=forked.SERVER if workers == 1 else mp_context)

    monkeypatch.setattr(pool, "ProcessPoolExecutor", executor)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers["Range"]
            state.ranges.append(wanted)
            if self.path.partition("?")[0] != f"/{NAME}":
                return self.send_error(404)
            if state.failures:
                state.failures -= 1
                return self.send_error(state.failure_status)
            start = 0
            if wanted and state.knows_ranges:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                if start >= len(state.content):
                    return self.send_error(416)
            self.send_response(206 if start else state.success_status)
            if state.content_type:
                self.send_header("Content-Type", state.content_type)
            if start and state.shifts:
                state.shifts -= 1
                start -= 1000
            body = state.content[start:]
            if start:
                size = len(state.content)
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if state.cuts:
                state.cuts -= 1
                body = body[: len(body) // 2]
            self.wfile.write(body)

        def log_message(self, *_) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    state.url = f"http://127.0.0.1:{http.server_port}/{NAME}"
    yield state
    http.shutdown()
    http.server_close()


@pytest.fixture
def short_delays(monkeypatch) -> None:
    """Nothing waits between two attempts; the server is asked directly."""
    monkeypatch.setattr(download, "FIRST_DELAY", 0.01)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def raw(tmp_path) -> Path:
    """Where downloads go."""
    return tmp_path / "raw"
