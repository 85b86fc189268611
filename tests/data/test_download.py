"""A download lands whole and right, or not at all."""

import hashlib
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest

from tinygen.data.download import fetch

CONTENT = bytes(range(256)) * 2_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Mirror(BaseHTTPRequestHandler):
    """Serves one file well under /good/, and with one error each under other names."""

    timeout = 10
    released = Event()

    def do_GET(self) -> None:
        kind = self.path.split("/")[1]
        body = {
            "short": CONTENT[:-7],
            "long": CONTENT + b"more",
            "other": CONTENT[:-1] + b"!",
            "page": b"<html>Please log in</html>",
        }.get(kind, CONTENT)
        self.send_response(404 if kind == "missing" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if kind == "silent":
            self.released.wait(10)
        elif kind == "cut":
            self.wfile.write(body[:100_000])
        elif kind != "missing":
            self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Keep the tests' output clean."""


@pytest.fixture(scope="module")
def mirror() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    Mirror.released.set()
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_file_lands_under_its_name_alone_in_a_folder_that_is_made_for_it(mirror, tmp_path):
    path = tmp_path / "mnist" / "file.gz"
    assert fetch([f"{mirror}/good/file.gz"], path, len(CONTENT), SHA256) == []
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", "404"),
        ("short", "it sent 511,993 bytes, expected 512,000"),
        ("long", "it sent more than 512,000 bytes, expected 512,000"),
        ("page", "it sent 26 bytes, expected 512,000"),
        ("other", "the SHA-256 of what it sent is"),
        ("cut", "it sent 100,000 bytes, expected 512,000|IncompleteRead"),
        ("silent", "timed out"),
    ],
)
def test_a_mirror_that_fails_leaves_no_file_and_the_reason_is_reported(mirror, tmp_path, monkeypatch, kind, reason):
    monkeypatch.setattr("tinygen.data.download.TIMEOUT", 0.3)
    address = f"{mirror}/{kind}/file.gz"
    failures = fetch([address], tmp_path / "file.gz", len(CONTENT), SHA256)
    assert len(failures) == 1
    assert failures[0].startswith(f"{address}: ")
    assert any(part in failures[0] for part in reason.split("|"))
    assert list(tmp_path.iterdir()) == []


def test_the_next_mirror_is_asked_where_one_fails(mirror, tmp_path, closed_port):
    addresses = [f"http://127.0.0.1:{closed_port}/f", f"{mirror}/missing/f", f"{mirror}/good/f", f"{mirror}/other/f"]
    failures = fetch(addresses, tmp_path / "f", len(CONTENT), SHA256)
    assert [failure.split(": ")[0] for failure in failures] == addresses[:2]
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_run_that_is_stopped_while_it_downloads_leaves_nothing(mirror, tmp_path, monkeypatch):
    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", stop)
    with pytest.raises(KeyboardInterrupt):
        fetch([f"{mirror}/good/f"], tmp_path / "f", len(CONTENT), SHA256)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(mirror, tmp_path):
    (tmp_path / "mnist").write_bytes(b"a file where a folder should be")
    failures = fetch([f"{mirror}/good/f"], tmp_path / "mnist" / "f", len(CONTENT), SHA256)
    assert str(tmp_path / "mnist") in failures[0]
