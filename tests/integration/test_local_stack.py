"""`staging up` and its companions, on the real parts, two stacks on one machine."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from staging.local.parts import PART_NAMES
from tests.integration.machine import STAGING, Machine, assert_gone, family

WARM_START_SECONDS = 60
"""Three times what two idle cores take at most: this machine may do other work as well."""


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="staging-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture(scope="module")
def machines() -> Iterator[tuple[Machine, Machine]]:
    """Two folders, one with a path too long for Ray's sockets; what runs in them is stopped."""
    with tempfile.TemporaryDirectory(prefix="staging-", ignore_cleanup_errors=True) as name:
        long = Path(name) / "a-state-folder-with-quite-a-long-name"
        pair = Machine(Path(name) / "a"), Machine(long)
        for each in pair:
            each.settings["STAGING_RESTART_RESET_SECONDS"] = "1"
        yield pair
        for each in pair:
            each.staging("down")
            each.staging("reset", "--yes")


@pytest.fixture
def stack(machines: tuple[Machine, Machine]) -> Machine:
    """A running stack."""
    machines[0].up()
    return machines[0]


def test_two_stacks_start_at_once_and_share_no_port_and_no_process(machines):
    words = [STAGING, "up", "-d", "--port", "0"]
    starts = [subprocess.Popen(words, env=each.environment) for each in machines]

    assert [start.wait(500) for start in starts] == [0, 0]

    one, other = (each.parts() for each in machines)
    for parts in (one, other):
        assert list(parts) == list(PART_NAMES)
        assert {part["state"] for part in parts.values()} == {"ready"}
        assert all(psutil.pid_exists(part["pid"]) for part in parts.values())
        assert all(Path(part["log"]).exists() for part in parts.values())
        assert set(next(iter(parts.values()))) == {"name", "state", "pid", "url", "log"}
    urls = [part["url"] for parts in (one, other) for part in parts.values() if part["url"]]
    assert len(set(urls)) == 10
    assert not {part["pid"] for part in one.values()} & {part["pid"] for part in other.values()}


def test_two_people_who_start_one_stack_at_once_share_it(machines):
    machine = machines[1]
    machine.staging("down")
    words = [STAGING, "up", "-d", "--port", "0"]
    starts = [subprocess.Popen(words, env=machine.environment) for _ in range(2)]

    assert [start.wait(500) for start in starts] == [0, 0]

    assert {part["state"] for part in machine.parts().values()} == {"ready"}


def test_up_on_a_running_stack_changes_nothing(stack):
    before = stack.pids()

    again = stack.up()

    assert stack.pids() == before
    assert all(name in again.stdout for name in PART_NAMES)


def test_a_running_stack_is_not_moved_to_another_port_in_silence(stack):
    refused = stack.staging("up", "-d", "--port", "9000")

    assert refused.returncode == 4
    assert "runs already, on port" in refused.stderr


def test_the_store_leaves_no_socket_behind(machines):
    machine = machines[1]
    machine.up()
    port = int(machine.parts()["s3"]["url"].rpartition(":")[2])
    sockets = [
        Path(f"/tmp/seaweedfs-s3-{port}.sock"),
        Path(f"/tmp/seaweedfs-s3-grpc-{port + 10000}.sock"),
    ]
    assert sockets[0].exists()

    machine.staging("down")

    assert [each for each in sockets if each.exists()] == []


def test_down_ends_every_process_and_a_warm_start_is_quick(stack):
    stack.run_a_ray_task()
    processes = family(stack.supervisor())

    assert stack.staging("down").returncode == 0

    assert_gone(processes, seconds=5)
    stopped = [(part["state"], part["pid"]) for part in stack.parts().values()]
    assert stopped == [("stopped", None)] * len(PART_NAMES)
    again = stack.staging("down")
    assert (again.returncode, again.stdout) == (0, "not running\n")
    begun = time.monotonic()
    stack.up()
    assert time.monotonic() - begun < WARM_START_SECONDS


def test_killing_the_supervisor_leaves_no_orphan_and_no_obstacle(stack, machines):
    stack.run_a_ray_task()
    processes = family(stack.supervisor())
    assert any("ray::" in " ".join(each.cmdline()) for each in processes)
    neighbour = machines[1].pids()

    stack.supervisor().kill()

    assert_gone(processes)
    assert {part["state"] for part in stack.parts().values()} == {"stopped"}
    assert machines[1].pids() == neighbour
    stack.up()
    assert {part["state"] for part in stack.parts().values()} == {"ready"}


@pytest.mark.parametrize("name", PART_NAMES)
def test_a_killed_part_is_started_again_and_the_others_stay(stack, name):
    if name == "ray":
        stack.run_a_ray_task()
    before = stack.pids()
    below = family(psutil.Process(before[name]))

    os.kill(before[name], signal.SIGKILL)

    stack.until(name, "ready", other_pid_than=before[name])
    assert_gone(below)
    after = stack.pids()
    # Ray may end its driver when it finds another cluster at the same address: any restart of the
    # worker is then Ray's doing, and is mended like every other.
    others = set(PART_NAMES) - {name} - ({"worker"} if name == "ray" else set())
    assert {each: after[each] for each in others} == {each: before[each] for each in others}
    time.sleep(1.2)  # healthy again, as far as the next kill is concerned


def test_killing_the_guard_of_ray_leaves_nothing_of_that_ray(stack):
    stack.run_a_ray_task()
    before = stack.pids()["ray"]
    guard = psutil.Process(before).parent()
    assert guard is not None
    processes = family(guard)
    assert len(processes) > 5

    guard.kill()

    assert_gone(processes)
    stack.until("ray", "ready", other_pid_than=before)
    stack.run_a_ray_task()


def test_the_doctor_finds_a_running_stack_well(stack):
    found = stack.staging("doctor")

    assert found.returncode == 0, found.stdout
    assert "BAD" not in found.stdout
    promises = ("refuses to overwrite", "without its token", "loopback only", "this version")
    for words in (*promises, "a link can be read", "clock is this", "code that is installed"):
        assert words in found.stdout


def test_the_doctor_misses_the_password_that_the_stack_was_started_without(stack, folder):
    connections = folder / "connections.toml"
    connections.write_text(
        '[connections.shop]\nkind = "postgres"\nhost = "127.0.0.1"\ndatabase = "shop"\n'
        'user = "reader"\npassword = "env:SHOP_PASSWORD"\n'
    )
    stack.staging("down")
    stack.settings["STAGING_CONNECTIONS"] = str(connections)
    stack.up()
    stack.settings["SHOP_PASSWORD"] = "of the doctor's own environment"

    found = stack.staging("doctor")

    del stack.settings["STAGING_CONNECTIONS"], stack.settings["SHOP_PASSWORD"]
    assert found.returncode == 1
    assert "variable SHOP_PASSWORD is not set" in found.stdout


def test_secrets_are_the_owners_alone(stack):
    secrets = sorted((stack.root / "secrets").iterdir())

    assert [file.name for file in secrets] == [
        "ray-token",
        "s3-access-key",
        "s3-secret-key",
        "ticket-key",
    ]
    assert {file.stat().st_mode & 0o777 for file in secrets} == {0o600}
    assert stack.root.stat().st_mode & 0o777 == 0o700
    values = [file.read_text() for file in secrets]
    logs = "".join(log.read_text(errors="replace") for log in (stack.root / "logs").glob("*.log"))
    run_file = (stack.root / "run/stack.json").read_text()
    assert [value for value in values if value in logs + run_file] == []


def test_logs_prints_a_part_and_follows_it(stack):
    printed = stack.staging("logs", "ray", "-n", "5")
    assert (printed.returncode, len(printed.stdout.splitlines())) == (0, 5)

    words = [STAGING, "logs", "-f", "-n", "1", "supervisor"]
    following = subprocess.Popen(words, env=stack.environment, stdout=subprocess.PIPE, text=True)
    assert following.stdout is not None
    assert following.stdout.readline()
    with (stack.root / "logs/supervisor.log").open("a") as log:
        log.write("a new line\n")
    assert following.stdout.readline() == "a new line\n"
    following.terminate()
    following.wait()


def test_a_running_stack_is_not_reset(stack):
    refused = stack.staging("reset", "--yes")

    assert (refused.returncode, refused.stdout) == (4, "")
    assert "staging down" in refused.stderr
    assert stack.parts()["api"]["state"] == "ready"


def test_parts_that_run_already_are_used_and_left_alone(machines, s3, postgres):
    machine = machines[1]
    machine.staging("down")
    catalog = postgres.dsn().replace("postgresql://", "postgresql+psycopg://")

    machine.up("--use-existing", f"s3={s3.endpoint}", f"catalog={catalog}")

    parts = machine.parts()
    assert parts["s3"] == {
        "name": "s3",
        "state": "external",
        "pid": None,
        "url": s3.endpoint,
        "log": None,
    }
    assert parts["api"]["state"] == "ready"
    assert machine.staging("doctor").returncode == 0
    machine.staging("down")
    with socket.create_connection(("127.0.0.1", int(s3.endpoint.rpartition(":")[2])), 2):
        pass
