"""A part that ends is started again three times, then given up by name."""

import sys
import threading
import time
from collections.abc import Callable

import pytest

from staging.core.errors import StagingError
from staging.local.board import Board
from staging.local.child import Program
from staging.local.errors import PartFailed, PartTimedOut
from staging.local.folder import StateFolder
from staging.local.keeper import Keeper
from staging.local.layout import Layout, lay_out
from staging.local.options import UpOptions
from staging.local.parts import Part
from staging.local.ports import PortBook
from staging.local.probes import NotReady
from staging.local.runfile import PartState, read_run
from staging.local.supervisor import first_run
from staging.settings import Settings


@pytest.fixture
def layout(tmp_path) -> Layout:
    folder = StateFolder(tmp_path)
    folder.create()
    settings = Settings(state_dir=tmp_path, restart_reset_seconds=2)
    return lay_out(settings, UpOptions(port=0), folder, None, PortBook())


def nothing(_: Layout) -> None:
    return None


def never(_: Layout) -> None:
    raise NotReady("it never is")


def part(
    code: str, check: Callable[[Layout], None] = nothing, deadline_seconds: float = 20
) -> Part:
    """A part of Python code that stands in the place of the API."""

    def program(layout: Layout) -> Program:
        return Program([sys.executable, "-c", code], layout.folder.log("api"))

    return Part("api", program, check, nothing, deadline_seconds=deadline_seconds)


class Kept:
    """One keeper at work, and what it reported."""

    def __init__(self, layout: Layout, kept: Part) -> None:
        self.lines: list[str] = []
        self.failures: list[StagingError] = []
        self.has_failed = threading.Event()
        self.board = Board(layout.folder, first_run(layout), self.lines.append)
        self.keeper = Keeper(kept, layout, self.board, self.note)
        self.keeper.start([])

    def note(self, failure: StagingError) -> None:
        self.failures.append(failure)
        self.has_failed.set()

    @property
    def states(self) -> list[str]:
        return [line.split()[0] for line in self.lines]

    @property
    def state(self) -> PartState:
        return next(each.state for each in self.board.run.parts if each.name == "api")


@pytest.fixture
def keep(layout):
    kept = []

    def begin(a_part: Part) -> Kept:
        kept.append(Kept(layout, a_part))
        return kept[-1]

    yield begin
    for each in kept:
        each.keeper.stop()


def test_a_part_that_ends_at_once_is_tried_four_times_and_named_with_its_log(layout, keep):
    kept = keep(part("import sys; sys.exit(3)", never))

    assert kept.has_failed.wait(60)

    assert kept.states == ["starting", "restarting"] * 3 + ["starting", "failed"]
    log = layout.folder.log("api")
    assert [(type(each), each.detail) for each in kept.failures] == [
        (PartFailed, f"api failed 4 times: ended with 3; see {log}")
    ]


def test_a_part_that_never_answers_is_given_up_after_its_deadline(layout, keep):
    kept = keep(part("import time; time.sleep(600)", never, deadline_seconds=0.5))

    assert kept.has_failed.wait(60)

    log = layout.folder.log("api")
    assert [(type(each), each.detail) for each in kept.failures] == [
        (PartTimedOut, f"api failed: not ready in 0 s: it never is; see {log}")
    ]


def test_a_failure_that_nobody_foresaw_ends_one_life_of_the_part_and_not_its_keeper(layout, keep):
    def fails(_: Layout) -> None:
        raise KeyError("port")

    kept = keep(part("import time; time.sleep(600)", fails))

    assert kept.has_failed.wait(60)

    log = layout.folder.log("api")
    assert kept.states == ["starting", "restarting"] * 3 + ["starting", "failed"]
    assert kept.failures[0].detail == f"api failed 4 times: KeyError: 'port'; see {log}"


def test_a_part_lives_on_when_its_state_cannot_be_written(layout, keep):
    def blocks_the_file(_: Layout) -> None:
        layout.folder.run_file.unlink()
        layout.folder.run_file.mkdir()

    kept = keep(part("import time; time.sleep(600)", blocks_the_file))

    assert kept.keeper.is_ready.wait(60)
    while kept.state is not PartState.READY:
        time.sleep(0.02)
    assert kept.states[:2] == ["starting", "the"]
    assert kept.lines[1].startswith("the state of the stack is not written: [Errno 21]")
    assert kept.keeper.child.poll() is None
    kept.board.rewrite()
    layout.folder.run_file.rmdir()
    kept.board.rewrite()
    assert read_run(layout.folder) == kept.board.run


def test_health_wipes_out_earlier_failures(keep):
    kept = keep(part("import time; time.sleep(2.5)"))

    deadline = time.monotonic() + 60
    while kept.states.count("restarting") < 5:
        assert time.monotonic() < deadline, kept.lines
        time.sleep(0.1)

    assert kept.failures == []


def test_a_part_that_was_given_up_can_be_tried_again(layout, keep):
    flag = layout.folder.root / "may-live"
    code = f"import pathlib, time; pathlib.Path({str(flag)!r}).read_text(); time.sleep(600)"

    def lives(_: Layout) -> None:
        if not flag.exists():
            raise NotReady("not yet")

    kept = keep(part(code, lives))
    assert kept.has_failed.wait(60)

    flag.touch()
    kept.keeper.retry.set()

    assert kept.keeper.is_ready.wait(60)
    assert kept.state is PartState.READY


def test_a_part_whose_program_is_missing_is_not_tried_again(keep):
    def program(_: Layout) -> Program:
        raise PartFailed("install it: pip install it")

    kept = keep(Part("api", program, nothing, nothing))

    assert kept.has_failed.wait(60)
    assert kept.states == ["starting", "failed"]
    assert "pip install it" in kept.failures[0].detail
