"""`staging jobs` as a script sees it: output, files, exit codes."""

import contextlib
import hashlib
import json
import os
import pty
import re
import subprocess
import sys
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from staging.cli.exit_codes import MEANING
from staging.cli.service import base_url
from staging.core.contracts import FailureReport
from staging.local.folder import StateFolder
from staging.local.ports import free_port
from staging.local.runfile import PartState, PartStatus, Run, StackState, started_at, write_run
from staging.settings import Settings
from tests.contract.reading.servers import ROOT
from tests.contract.reading.shelf import rows

FIRST, SECOND = rows(0, 3000), rows(3000, 500)
WAYS = [[], ["--flight"], ["--through-service"]]
STAGING = [str(Path(sys.executable).with_name("staging"))]


@pytest.fixture
def staging(api_url, tmp_path):
    """Run the command as an operator would, away from the project."""

    def run(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
        host, port = api_url.removeprefix("http://").split(":")
        given = {**os.environ, "STAGING_HOST": host, "STAGING_PORT": port, **environment}
        given = {name: value for name, value in given.items() if value}
        return subprocess.run(
            [*STAGING, *map(str, words)],
            cwd=tmp_path, env=given, capture_output=True, text=True, timeout=180, check=False,
        )  # fmt: skip

    return run


def printed(done: subprocess.CompletedProcess[str]) -> dict:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_job_is_created_from_words_and_its_id_printed(staging, shelf):
    done = staging(
        "jobs", "create", "-c", "exports", "--path", "orders.parquet", "--column", "id",
        "--column", "note", "--filter", "id >= 7", "--filter", "note not_null", "--name", "a run",
        "--label", "run=12", "--option", "ttl_seconds=600", "--option", 'consumers=["a"]',
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    job = shelf.catalog.job(1, done.stdout.strip())
    assert job.source.to_json() == {
        "connection": "exports",
        "table": None,
        "path": "orders.parquet",
        "query": None,
        "columns": ["id", "note"],
        "filters": [
            {"column": "id", "op": ">=", "value": 7},
            {"column": "note", "op": "not_null", "value": None},
        ],
    }
    assert (job.name, dict(job.labels)) == ("a run", {"run": "12"})
    assert (job.options.ttl_seconds, job.options.consumers) == (600, ("a",))


def test_the_json_of_a_job_is_that_of_the_api(staging, client, shelf):
    job_id = shelf.stage(SECOND)

    assert printed(staging("jobs", "show", job_id, "--json")) == client.job(job_id).view.json
    shown = printed(staging("jobs", "show", job_id, "--json", "--chunks"))
    assert [chunk["sha256"] for chunk in shown["chunks"]] == [
        shelf.catalog.chunk(1, job_id, "0").sha256
    ]


def test_a_job_is_shown_to_people(staging, shelf):
    job_id = shelf.stage(SECOND)

    done = staging("jobs", "show", job_id, "--chunks")

    assert done.returncode == 0
    for text in (job_id, "staged", "warehouse public.orders", "500", "run=12"):
        assert text in done.stdout
    assert shelf.catalog.chunk(1, job_id, "0").chunk_id in done.stdout
    assert "\x1b" not in done.stdout


def test_jobs_are_listed_newest_first_and_narrowed(staging, shelf):
    ids = [shelf.stage(SECOND, org_id=41), shelf.draft(41)]

    listed = printed(staging("jobs", "list", "--org", 41, "--json"))
    staged = printed(staging("jobs", "list", "--org", 41, "--state", "staged", "--json"))
    newest = printed(staging("jobs", "list", "--org", 41, "--limit", 1, "--json"))
    none = printed(staging("jobs", "list", "--org", 41, "--label", "run=13", "--json"))
    table = staging("jobs", "list", "--org", 41)

    found = [[job["job_id"] for job in each["jobs"]] for each in (listed, staged, newest, none)]
    assert found == [ids[::-1], [ids[0]], [ids[1]], []]
    assert [line.split()[0] for line in table.stdout.splitlines()] == ["job", *ids[::-1]]


def test_a_job_is_watched_to_its_end(api_url, shelf):
    job_id = shelf.draft()
    shelf.plan(job_id, 1)
    watching = subprocess.Popen(
        [*STAGING, "jobs", "watch", job_id, "--json", "--url", api_url],
        stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert watching.stdout is not None
    assert json.loads(watching.stdout.readline())["state"] == "running"
    shelf.publish(job_id, SECOND)
    shelf.seal(job_id)

    states = [json.loads(line)["state"] for line in watching.stdout]

    assert (states[-1], watching.wait(60)) == ("staged", 0)


def test_without_a_terminal_a_watch_prints_plain_lines(staging, shelf):
    done = staging("jobs", "watch", shelf.stage(SECOND))

    assert (done.returncode, done.stdout) == (0, "staged: 1/1 partitions, 1 chunks, 500 rows\n")


@pytest.mark.parametrize("action", ["watch", "pull"])
def test_on_a_terminal_a_bar_is_drawn(api_url, shelf, tmp_path, action):
    ours, theirs = pty.openpty()
    job_id = shelf.stage(SECOND)
    command = [*STAGING, "jobs", action, job_id, "--url", api_url]
    given = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen(command, stdout=theirs, stderr=theirs, cwd=tmp_path, env=given)
    os.close(theirs)
    drawn = b""
    with contextlib.suppress(OSError):  # what Linux gives when the other end is closed
        while piece := os.read(ours, 65536):
            drawn += piece
    os.close(ours)

    assert process.wait(60) == 0
    assert "500 rows" in drawn.decode()
    assert "━" in drawn.decode()
    assert b"\x1b[" in drawn


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({}, "http://127.0.0.1:4711"),
        ({"STAGING_PORT": "8111"}, "http://127.0.0.1:8111"),
        ({"STAGING_HOST": "staging-service"}, "http://staging-service:8003"),
        ({"STAGING_HOST": "0.0.0.0", "STAGING_PORT": "81"}, "http://127.0.0.1:81"),
        ({"STAGING_HOST": "::1"}, "http://[::1]:8003"),
    ],
)
def test_the_service_is_where_the_settings_say_or_where_the_stack_runs(
    monkeypatch, tmp_path, environment, url
):
    for name in ("STAGING_HOST", "STAGING_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    folder = StateFolder(tmp_path)
    folder.create()
    api = PartStatus("api", PartState.READY, os.getpid(), "http://127.0.0.1:4711")
    write_run(folder, Run(os.getpid(), started_at(os.getpid()), StackState.READY, (api,)))

    assert base_url(Settings(state_dir=tmp_path)) == url


def test_without_a_running_stack_the_usual_port_is_asked(monkeypatch, tmp_path):
    for name in ("STAGING_HOST", "STAGING_PORT"):
        monkeypatch.delenv(name, raising=False)

    assert base_url(Settings(state_dir=tmp_path)) == "http://127.0.0.1:8003"


def test_jobs_are_steered(staging, shelf):
    job_id = shelf.draft()
    shelf.plan(job_id, 1)

    assert printed(staging("jobs", "pause", job_id, "--json"))["state"] == "pausing"
    assert printed(staging("jobs", "resume", job_id, "--json"))["state"] == "running"
    done = staging("jobs", "cancel", job_id)

    assert (done.returncode, done.stdout) == (0, f"job {job_id} is cancelling\n")


def test_a_job_is_amended(staging, shelf):
    job_id = shelf.stage(SECOND)

    words = ("--ttl", 600, "--name", "other", "--label", "run=13", "--label", "b=c")
    shown = printed(staging("jobs", "amend", job_id, *words, "--json"))

    job = shelf.catalog.job(1, job_id)
    assert (job.options.ttl_seconds, job.name, dict(job.labels)) == (
        600,
        "other",
        {"run": "13", "b": "c"},
    )
    assert (shown["options"]["ttl_seconds"], shown["name"]) == (600, "other")
    assert "other" in staging("jobs", "amend", job_id, "--ttl", 700).stdout
    assert staging("jobs", "amend", job_id).returncode == USAGE
    assert staging("jobs", "amend", job_id, "--ttl", 0).returncode == USAGE
    assert staging("jobs", "pull", job_id, "--flight", "--through-service").returncode == USAGE


@pytest.mark.parametrize("way", WAYS, ids=["links", "flight", "service"])
def test_all_chunks_are_pulled_and_acknowledged(staging, shelf, tmp_path, way):
    job_id = shelf.stage(FIRST, SECOND)

    told = printed(staging("jobs", "pull", job_id, "--to", "out", "--ack", "--json", *way))

    names = ["chunk-000000.parquet", "chunk-000001.parquet"]
    assert told == {
        "job_id": job_id,
        "folder": str(tmp_path / "out"),
        "files": names,
        "chunk_count": 2,
        "row_count": 3500,
        "byte_count": told["byte_count"],
        "kept_count": 0,
    }
    found = [pq.read_table(tmp_path / "out" / name) for name in names]
    assert [table.equals(whole) for table, whole in zip(found, (FIRST, SECOND), strict=True)]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["_staging.json", *names]
    assert pq.read_table(tmp_path / "out").num_rows == 3500
    assert shelf.catalog.job(1, job_id).state == "completed"


@pytest.mark.parametrize("way", WAYS, ids=["links", "flight", "service"])
def test_a_pull_goes_on_where_it_broke_off_and_mends_damaged_files(staging, shelf, tmp_path, way):
    job_id = shelf.stage(FIRST, SECOND, FIRST)
    printed(staging("jobs", "pull", job_id, "--to", "out", "--json", *way))
    kept, damaged, missing = sorted((tmp_path / "out").glob("*.parquet"))
    before = kept.stat().st_mtime_ns
    body = bytearray(damaged.read_bytes())
    body[len(body) // 3] ^= 0xFF
    damaged.write_bytes(body)
    missing.unlink()

    told = printed(staging("jobs", "pull", job_id, "--to", "out", "--json", *way))

    assert (told["chunk_count"], told["kept_count"]) == (3, 1)
    assert kept.stat().st_mtime_ns == before
    assert pq.read_table(tmp_path / "out").equals(pa.concat_tables([FIRST, SECOND, FIRST]))


@pytest.mark.parametrize("way", [[], ["--through-service"]], ids=["links", "service"])
def test_a_pull_by_http_writes_the_published_bytes(staging, shelf, tmp_path, way):
    job_id = shelf.stage(SECOND)
    staging("jobs", "pull", job_id, *way)

    body = (tmp_path / job_id / "chunk-000000.parquet").read_bytes()
    assert hashlib.sha256(body).hexdigest() == shelf.catalog.chunk(1, job_id, "0").sha256


def test_a_folder_of_something_else_is_left_alone(staging, shelf, tmp_path):
    one, two = shelf.stage(SECOND), shelf.stage(SECOND)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    staging("jobs", "pull", one, "--to", "out")

    other, mine = (
        staging("jobs", "pull", two, "--to", "out"),
        staging("jobs", "pull", two, "--to", "mine"),
    )

    assert (other.returncode, other.stderr) == (2, "error: out holds the chunks of another job\n")
    assert (mine.returncode, mine.stderr) == (2, "error: mine is not empty\n")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_a_folder_that_cannot_be_one_is_said_to_be_so(staging, shelf, tmp_path):
    job_id = shelf.stage(SECOND)
    (tmp_path / "file").touch()
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "_staging.json").touch()

    done = [staging("jobs", "pull", job_id, "--to", name) for name in ("file", "torn")]

    assert [each.returncode for each in done] == [2, 2]
    assert done[0].stderr == "error: file cannot be a folder: File exists\n"
    assert done[1].stderr == "error: torn/_staging.json cannot be read; choose another folder\n"


def test_pulled_files_are_for_whom_the_umask_lets(staging, shelf, tmp_path):
    before = os.umask(0o027)
    try:
        staging("jobs", "pull", shelf.stage(SECOND), "--to", "out")
    finally:
        os.umask(before)

    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "out").iterdir()}
    assert modes == {"_staging.json": 0o640, "chunk-000000.parquet": 0o640}


def test_a_job_is_asked_for_in_words_that_are_meant_as_text(staging, shelf):
    done = staging(
        "jobs", "create", "-c", "exports", "--path", "orders.parquet", "--json",
        "--option", "on_unrepresentable=null", "--incremental", "id 7",
    )  # fmt: skip

    job = printed(done)
    assert job["options"]["on_unrepresentable"] == "null"
    assert job["source"]["incremental"] == {"column": "id", "after": 7}


def test_the_exit_codes_are_documented():
    rows = re.findall(r"\| (\d) \| (.+) \|", (ROOT / "docs/reference/command-line.md").read_text())

    assert rows == [(str(int(code)), meaning) for code, meaning in MEANING.items()]


USAGE, NOT_FOUND, WRONG_STATE, IDENTITY, UNAVAILABLE, JOB_FAILED = 2, 3, 4, 5, 6, 7


@pytest.mark.parametrize(
    "words",
    [
        ["create", "-c", "exports"],
        ["create", "-c", "exports", "--path", "a", "--table", "b"],
        ["create", "-c", "exports", "--path", "orders.parquet", "--filter", "id"],
        ["create", "-c", "exports", "--path", "orders.parquet", "--filter", "id is_null 3"],
        ["create", "-c", "exports", "--path", "orders.parquet", "--label", "run"],
        ["create", "-c", "export", "--path", "orders.parquet"],
        ["create", "-c", "exports", "--path", "orders.parquet", "--option", "ttl_seconds=0"],
        ["create", "-c", "exports", "--path", "orders.parquet", "--option", "nothing=1"],
        ["show"],
        ["show", "x", "--org", "one"],
        ["list", "--state", "done"],
        ["watch", "x", "--until", "done"],
        ["nothing"],
    ],
    ids=" ".join,
)
def test_what_is_not_valid_ends_with_2(staging, words):
    done = staging("jobs", *words)

    assert (done.returncode, done.stdout) == (USAGE, "")
    assert "Traceback" not in done.stderr


def test_an_invalid_value_is_pointed_at(staging):
    done = staging("jobs", "create", "-c", "export", "--path", "orders.parquet")

    assert done.stderr.startswith("error: #/source/connection: ")
    assert done.stderr.count("exports") == 1


@pytest.mark.parametrize("action", ["show", "watch", "pause", "resume", "cancel", "pull"])
def test_an_unknown_job_ends_with_3(staging, action):
    done = staging("jobs", action, uuid.uuid4())

    assert (done.returncode, done.stdout) == (NOT_FOUND, "")
    assert done.stderr.startswith("error: there is no job ")


def test_a_wrong_state_ends_with_4(staging, shelf):
    assert staging("jobs", "pause", shelf.stage(SECOND)).returncode == WRONG_STATE


def test_a_refused_identity_ends_with_5(staging):
    assert staging("jobs", "list", "--org", 0).returncode == IDENTITY


def test_a_service_that_is_down_ends_with_6_and_soon(staging):
    began = time.monotonic()

    url = f"http://127.0.0.1:{free_port()}"
    done = staging("jobs", "list", "--url", url)

    assert (done.returncode, done.stdout) == (UNAVAILABLE, "")
    assert time.monotonic() - began < 40
    assert url in done.stderr
    assert "staging status" in done.stderr


@pytest.mark.parametrize("url", ["127.0.0.1:8003", "localhost", "ftp://127.0.0.1", "http://"])
def test_an_address_that_is_none_is_said_to_be_so_at_once(staging, url):
    began = time.monotonic()

    done = staging("jobs", "list", "--url", url)

    assert (done.returncode, time.monotonic() - began < 30) == (2, True)
    assert f"{url!r} is no address of a service" in done.stderr


def test_a_job_that_is_not_there_in_time_ends_with_6(staging, shelf):
    done = staging("jobs", "watch", shelf.draft(), "--timeout", 1)

    assert done.returncode == UNAVAILABLE
    assert re.search(r"error: job .* is pending after 1\.0 s", done.stderr)


@pytest.mark.parametrize("action", ["watch", "pull"])
def test_a_job_that_failed_ends_with_7_and_says_why(staging, shelf, action):
    job_id = shelf.draft()
    shelf.plan(job_id, 1)
    report = FailureReport(job_id, "source_auth", "the source refuses the credentials")
    shelf.catalog.fail_job(report, now=datetime.now(UTC))

    done = staging("jobs", action, job_id)

    assert done.returncode == JOB_FAILED
    assert "the source refuses the credentials" in done.stderr


def test_an_answer_of_something_else_ends_with_1(staging, s3):
    done = staging("jobs", "list", "--url", s3.endpoint)

    assert done.returncode in {1, NOT_FOUND, IDENTITY}
    assert "Traceback" not in done.stderr


def test_help_imports_nothing_heavy(staging):
    code = (
        "import sys; from typer.testing import CliRunner; from staging.cli.main import app;"
        "ended = CliRunner().invoke(app, sys.argv[1:]); assert ended.exit_code == 0, ended;"
        "print([name for name in ('pyarrow', 'sqlalchemy', 'httpx2', 'duckdb', 'ray',"
        " 'pydantic_settings', 'rich.console') if name in sys.modules])"
    )
    for words in ([], ["jobs"], ["jobs", "create"], ["connections"], ["connections", "add"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *words, "--help"],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.stdout, done.stderr) == ("[]\n", ""), words
