"""The doctor beside a running stack: what is well, and each line that is not, with its fix."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest
from prometheus_client import CollectorRegistry, Info, start_http_server

from staging.local import checkups, clocks
from staging.local.folder import StateFolder
from staging.local.ports import free_port
from staging.local.probes import NotReady
from staging.local.secret_files import keep_catalog_url
from tests.stack import STAGING, RunningStack

HOUR = timedelta(hours=1)


@pytest.fixture
def other_build() -> Iterator[int]:
    """A port on which a process of another build shows its metrics."""
    registry = CollectorRegistry()
    Info("staging_build", "…", registry=registry).info({"build": "0.0.9+abc"})
    port = free_port()
    server, thread = start_http_server(port, addr="127.0.0.1", registry=registry)
    yield port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def told(stack: RunningStack, tmp_path):
    """What the doctor says of the stack when its run file says other things than are true."""

    def doctor(environment: dict[str, str], ports: dict[str, int]) -> list[str]:
        folder = StateFolder(tmp_path)
        folder.create()
        shutil.copytree(stack.folder.secrets, folder.secrets, dirs_exist_ok=True)
        keep_catalog_url(folder.secrets, stack.layout.catalog_url)
        run = json.loads(stack.folder.run_file.read_text())
        run["environment"] |= environment
        run["ports"] |= ports
        folder.run_file.write_text(json.dumps(run))
        shutil.copy(stack.folder.ready_file, folder.ready_file)
        done = subprocess.run(
            [STAGING, "doctor"],
            env=stack.environment | {"STAGING_STATE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 1, done.stdout + done.stderr
        return done.stdout.splitlines()

    return doctor


def fix_after(lines: list[str], words: str) -> str:
    """The fix below the one bad line with these words."""
    [place] = [at for at, line in enumerate(lines) if line.startswith("BAD") and words in line]
    assert lines[place + 1].startswith("     fix: ")
    return lines[place + 1]


def test_each_promise_that_is_broken_is_a_line_with_its_fix(told, other_build):
    closed = free_port()
    lines = told(
        {"STAGING_S3_PUBLIC_ENDPOINT": f"http://127.0.0.1:{closed}"},
        {"flight_metrics": other_build, "worker_metrics": closed},
    )

    link = fix_after(lines, f"http://127.0.0.1:{closed} does not answer")
    assert "STAGING_S3_PUBLIC_ENDPOINT" in link
    assert "staging down; staging up -d" in fix_after(lines, "flight runs the code")
    assert "it runs 0.0.9+abc, this is 0.1.0+" in "\n".join(lines)
    fix_after(lines, "worker runs the code")
    well = [line.removeprefix("ok   ") for line in lines if line.startswith("ok")]
    for words in (
        "api runs the code that is installed",
        "the store's clock is this machine's",
        "the catalog's clock is this machine's",
        "Temporal's clock is this machine's",
        "the store refuses to overwrite an object",
    ):
        assert words in well


@pytest.fixture
def with_keys(stack, monkeypatch):
    for name, value in stack.layout.environment().items():
        monkeypatch.setenv(name, value)


def test_tables_of_an_older_version_are_told(stack, with_keys, tmp_path):
    options = replace(
        stack.layout.options, existing={"catalog": f"sqlite:///{tmp_path}/without-tables.db"}
    )

    with pytest.raises(NotReady, match="another version"):
        checkups.catalog_is_current(replace(stack.layout, options=options))


@pytest.mark.parametrize(("shift", "words"), [(HOUR, "behind"), (-HOUR, "ahead")])
def test_a_clock_that_is_an_hour_off_is_told(stack, postgres, with_keys, shift, words):
    def now() -> datetime:
        return datetime.now(UTC) + shift

    layout = stack.layout
    with pytest.raises(NotReady, match=f"3[56][0-9][0-9] s {words}"):
        clocks.store_clock(layout.s3_endpoint, now)
    for url in (postgres.dsn(), layout.catalog_url):
        with pytest.raises(NotReady, match=f"3[56][0-9][0-9] s {words}"):
            clocks.catalog_clock(url, now)
    with pytest.raises(NotReady, match=f"3[56][0-9][0-9] s {words}"):
        clocks.temporal_clock(layout.temporal_address, "default", now)


def test_a_part_that_does_not_tell_its_time_is_told_too():
    with pytest.raises(NotReady, match="does not answer"):
        clocks.store_clock(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(NotReady, match="does not tell"):
        clocks.temporal_clock(f"127.0.0.1:{free_port()}", "default")


class _Forgetful(BaseHTTPRequestHandler):
    """An S3 store that knows no conditions: the last PUT wins."""

    bodies: ClassVar[dict[str, bytes]] = {}

    def do_PUT(self) -> None:
        self.bodies[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(b"")

    def do_GET(self) -> None:
        self._answer(self.bodies[self.path.partition("?")[0]])

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(b"<DeleteResult/>")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_a_store_that_lets_an_object_be_overwritten_is_told(stack, with_keys):
    server = HTTPServer(("127.0.0.1", 0), _Forgetful)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    options = replace(stack.layout.options, existing={"s3": endpoint})

    with pytest.raises(NotReady, match="overwritten"):
        checkups.s3_puts_once(replace(stack.layout, options=options))

    server.shutdown()
    server.server_close()
