"""What `staging up` and its companions refuse, and that a start that is given up leaves nothing."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from staging.local.folder import StateFolder
from staging.local.ports import free_port
from staging.local.runfile import living_run
from tests.integration.machine import STAGING, Machine, assert_gone, family


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="staging-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def test_the_port_of_the_api_is_not_taken_from_its_holder(folder):
    machine = Machine(folder / "state")
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as holder:
        port = holder.getsockname()[1]
        refused = machine.staging("up", "-d", "--port", str(port))

    assert refused.returncode == 1
    assert f"port {port} of the API is held by pid {os.getpid()}" in refused.stderr
    assert "--port" in refused.stderr
    assert {part["state"] for part in machine.parts().values()} == {"stopped"}


def test_reset_asks_and_deletes_only_what_the_stack_made(folder):
    machine = Machine(folder)
    for name in ("catalog.db", "temporal-1.0.db", "connections.toml"):
        (folder / name).touch()
    (folder / "s3").mkdir()

    assert machine.staging("reset", text="n\n").returncode == 1
    assert (folder / "catalog.db").exists()
    assert machine.staging("reset", text="y\n").returncode == 0

    assert [file.name for file in folder.iterdir()] == ["connections.toml"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["logs", "nothing"], 3, "there is no part 'nothing'"),
        (["up", "-d", "--use-existing", "mongo=1"], 2, "'mongo=1' is not one of temporal=…"),
        (["up", "--port", "70000"], 2, "--port"),
        (["nonsense"], 2, "No such command"),
        (["doctor"], 1, ""),
    ],
)
def test_what_cannot_be_done_has_its_exit_code(folder, words, code, said):
    done = Machine(folder / "state").staging(*words)

    assert (done.returncode, said in done.stderr) == (code, True), done.stderr


def test_a_setting_that_is_not_valid_is_named(folder):
    machine = Machine(folder / "state", {"STAGING_FLIGHT_PORT": "many"})

    done = machine.staging("up", "-d")

    assert done.returncode == 2
    assert "STAGING_FLIGHT_PORT" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_host_that_strangers_reach_is_refused_before_anything_starts(folder):
    machine = Machine(folder / "state", {"STAGING_HOST": "0.0.0.0"})
    began = time.monotonic()

    done = machine.staging("up", "-d", "--port", "0")

    assert (done.returncode, time.monotonic() - began < 60) == (1, True)
    assert "STAGING_INSECURE_BIND=1" in done.stderr
    assert not (folder / "state/logs/temporal.log").exists()


@pytest.mark.parametrize("name", ["temporal", "ray"])
def test_an_existing_part_that_is_not_there_is_named(folder, name):
    machine, address = Machine(folder / "state"), f"127.0.0.1:{free_port()}"
    began = time.monotonic()

    done = machine.staging("up", "-d", "--port", "0", "--use-existing", f"{name}={address}")

    assert (done.returncode, time.monotonic() - began < 100) == (1, True)
    assert f"the existing {name} at {address} does not work" in done.stderr
    assert {part["state"] for part in machine.parts().values()} <= {"stopped", "external"}


@pytest.mark.parametrize("words", [["up", "-d"], ["up"], ["logs", "api"], ["down"], ["status"]])
def test_a_state_folder_that_is_a_file_is_said_to_be_one(folder, words):
    (folder / "state").touch()

    done = Machine(folder / "state").staging(*words)

    assert "Traceback" not in done.stderr
    if words[0] == "up":
        assert done.returncode == 1
        assert f"{folder / 'state'} cannot be a folder" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_start_that_is_called_off_leaves_nothing(folder, number):
    machine = Machine(folder / "state")
    words = [STAGING, "up", "-d", "--port", "0"]
    starting = subprocess.Popen(words, env=machine.environment, stderr=subprocess.DEVNULL)
    processes = begun(machine)

    starting.send_signal(number)

    assert starting.wait(100) != 0
    assert_gone(processes)


def test_a_bound_stack_ends_with_whoever_started_it_however_they_end(folder):
    machine = Machine(folder / "state")
    words = (
        "import sys; from pathlib import Path; from staging.local.folder import StateFolder;"
        "from staging.local.launch import start_in_background;"
        "from staging.local.options import UpOptions;"
        "start_in_background(StateFolder(Path(sys.argv[1])), UpOptions(port=0, is_bound=True))"
    )
    starter = subprocess.Popen([sys.executable, "-c", words, str(machine.root)])
    processes = begun(machine)

    starter.kill()

    starter.wait()
    assert_gone(processes)


def begun(machine: Machine) -> list[psutil.Process]:
    """Wait until parts are starting; give all their processes."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        run = living_run(StateFolder(machine.root))
        if run is not None and any(part.pid for part in run.parts):
            return family(psutil.Process(run.pid))
        time.sleep(0.1)
    raise AssertionError("nothing started")
