"""The command line answers at once, and its exit codes are one table."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from staging.cli.exit_codes import (
    BY_ERROR,
    MEANING,
    ExitCode,
    exit_code_of,
    exit_code_of_problem,
)
from staging.core import errors
from staging.local.errors import BadExisting, PartFailed, PartTimedOut, StackRunning, UnknownPart

STAGING = Path(sys.executable).parent / "staging"
HELP_SECONDS = 0.3
BARE_STARTS = 8
"""What a busy machine may take for it, in starts of an interpreter that does nothing."""
HEAVY = ("pyarrow", "boto3", "sqlalchemy", "pydantic", "httpx2", "rich", "duckdb", "psutil")


def test_help_takes_less_than_300_ms_or_a_few_bare_starts_of_python():
    took, bare = [], []
    for _ in range(5):
        begun = time.perf_counter()
        shown = subprocess.run([STAGING, "--help"], check=True, capture_output=True, text=True)
        took.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", ""], check=True)
        bare.append(time.perf_counter() - begun)

    assert min(took) < max(HELP_SECONDS, BARE_STARTS * min(bare))
    for name in ("up", "down", "status", "logs", "doctor", "reset", "jobs", "connections", "demo"):
        assert f"  {name} " in shown.stdout


def test_help_imports_nothing_heavy():
    code = (
        "import contextlib, io, sys\n"
        "from staging.cli.main import app\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        "    app(['--help'])\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )

    assert loaded.stdout == "[]\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UnknownTable(), 2),
        (errors.BadPageToken(), 2),
        (errors.UnknownJob(), 3),
        (errors.NotSealed("not sealed", current_state="running", allowed=[]), 4),
        (errors.Gone("gone", reason="expired"), 4),
        (errors.BadIdentity(), 5),
        (errors.ForeignTicket(), 5),
        (errors.CatalogUnavailable(), 6),
        (errors.SourceUnavailable(), 6),
        (errors.SourceAuth(), 1),
        (errors.ObjectConflict(), 1),
        (BadExisting(), 2),
        (UnknownPart(), 3),
        (StackRunning("running"), 4),
        (PartTimedOut(), 6),
        (PartFailed(), 1),
    ],
)
def test_an_error_has_the_exit_code_of_its_nearest_class(error, code):
    assert exit_code_of(error) == code


def test_every_error_has_an_exit_code_and_every_code_a_meaning():
    assert BY_ERROR[errors.StagingError] is ExitCode.FAILURE
    assert set(MEANING) == set(ExitCode)
    assert [code.value for code in ExitCode] == [0, 1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("status", "slug", "code"),
    [
        (400, "bad_request", 2),
        (400, "bad_identity", 5),
        (404, "not_found", 3),
        (409, "state_conflict", 4),
        (410, "gone", 4),
        (422, "unknown_table", 2),
        (429, None, 6),
        (503, "catalog_unavailable", 6),
        (500, "internal", 1),
    ],
)
def test_a_problem_has_the_exit_code_of_its_status(status, slug, code):
    assert exit_code_of_problem(status, slug) == code
