"""Nothing outlives whoever started it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from staging.local.child import Program, start
from staging.local.errors import StackTimedOut
from tests.integration.machine import is_alive

FAMILY = """
import subprocess, sys, time
for _ in range(2):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
time.sleep({seconds})
"""
STARTER = """
import sys, time
from pathlib import Path
from staging.local.child import Program, start
child = start(Program([sys.executable, "-c", {family!r}], Path({log!r})))
print(child.pid, child.guard.pid, flush=True)
time.sleep(600)
"""
SUPERVISOR = """
import sys
from pathlib import Path
from staging.local.child import Program, start
from staging.local.orphans import adopt_orphans, end_orphans
adopt_orphans()
child = start(Program([sys.executable, "-c", {family!r}], Path({log!r})))
print(child.guard.pid, flush=True)
child.wait()
end_orphans()
print("ended", flush=True)
sys.stdin.read()
"""


def family(log: Path, seconds: float = 600) -> Program:
    """A program with two children that leave its session."""
    return Program([sys.executable, "-c", FAMILY.format(seconds=seconds)], log, grace_seconds=2)


def below(pid: int, count: int) -> list[psutil.Process]:
    """The descendants of a process, once there are so many."""
    deadline = time.monotonic() + 60
    while len(found := psutil.Process(pid).children(recursive=True)) < count:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


def assert_gone(processes: list[psutil.Process], seconds: float = 60) -> None:
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    assert alive == []


def test_a_stopped_program_takes_its_scattered_children_with_it(tmp_path):
    child = start(family(tmp_path / "log"))
    processes = below(child.guard.pid, 3)

    child.stop()

    assert_gone(processes)
    assert child.poll() == 128 + signal.SIGTERM


def test_a_program_that_ends_leaves_no_children_behind(tmp_path):
    child = start(family(tmp_path / "log", seconds=0.5))
    processes = below(child.guard.pid, 3)

    assert child.wait(60) == 0

    assert_gone(processes)


def test_killing_the_starter_ends_the_program_and_its_children(tmp_path):
    code = STARTER.format(family=FAMILY.format(seconds=600), log=str(tmp_path / "log"))
    starter = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    pid, guard = map(int, starter.stdout.readline().split())
    processes = [psutil.Process(guard), *below(guard, 3)]
    assert pid in {process.pid for process in processes}

    starter.kill()
    starter.wait()

    assert_gone(processes)


def test_killing_the_guard_ends_the_program(tmp_path):
    child = start(Program(["sleep", "600"], tmp_path / "log"))
    program = psutil.Process(child.pid)

    os.kill(child.guard.pid, signal.SIGKILL)

    assert child.wait(60) == -signal.SIGKILL
    assert_gone([program])


def test_killing_the_guard_lets_its_starter_end_the_scattered_children(tmp_path):
    code = SUPERVISOR.format(family=FAMILY.format(seconds=600), log=str(tmp_path / "log"))
    for _ in range(10):
        with subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as starter:
            assert starter.stdout is not None
            guard = int(starter.stdout.readline())
            processes = below(guard, 3)

            os.kill(guard, signal.SIGKILL)

            assert starter.stdout.readline() == "ended\n"
            left = [each for each in processes if is_alive(each)]
            for each in left:
                each.kill()
            assert left == []


def test_a_program_that_ignores_its_signal_is_killed_after_its_grace(tmp_path):
    deaf = "trap '' TERM; echo deaf; while true; do sleep 0.1; done"
    child = start(Program(["sh", "-c", deaf], tmp_path / "log", grace_seconds=3))
    while "deaf" not in (tmp_path / "log").read_text():
        time.sleep(0.02)

    with pytest.raises(StackTimedOut, match=rf"pid {child.pid} did not end in 0.1 s"):
        child.stop(timeout_seconds=0.1)
    child.stop()

    assert child.poll() == 128 + signal.SIGKILL


def test_a_program_that_is_not_there_ends_with_127_and_says_so(tmp_path):
    child = start(Program(["/no/such/program"], tmp_path / "log"))

    assert child.wait(60) == 127
    assert "/no/such/program" in (tmp_path / "log").read_text()
