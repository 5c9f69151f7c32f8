"""Worker nodes of the embedded stack: none outlives it, none is in the way of a new head."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from staging.local.folder import StateFolder
from staging.local.node_orders import read_orders
from tests.cluster import Operator, raylet_of
from tests.faults.processes import stopped
from tests.integration.machine import Machine, assert_gone, family, is_alive

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "scale-the-cluster.md"


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with tempfile.TemporaryDirectory(prefix="staging-", ignore_cleanup_errors=True) as name:
        one = Machine(Path(name) / "a")
        yield one
        one.staging("down")


@pytest.fixture
def operator(machine: Machine) -> Operator:
    """An operator of a running stack with the head alone."""
    machine.up()
    one = Operator(machine.environment)
    one.do("scale", "1", "--deadline", "0")
    return one


def test_the_page_on_scaling_works_as_it_is_written(machine):
    machine.staging("down")
    machine.up()
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    script = "".join(textwrap.dedent(each) for each in blocks)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        check=False,
        env=machine.environment | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=400,
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr.count("adds 2 nodes") == 2
    assert done.stderr.index("drains node-1,") < done.stderr.index("drains node-2,")
    assert [each["state"] for each in Operator(machine.environment).nodes()] == ["alive"]


@pytest.mark.parametrize("how", ["down", "kill"])
def test_no_node_outlives_the_stack(machine, operator, how):
    operator.do("scale", "2")
    machine.run_a_ray_task()
    processes = family(machine.supervisor())
    assert raylet_of(operator.nodes()[1]["node_id"]) in processes

    if how == "down":
        assert machine.staging("down").returncode == 0
    else:
        machine.supervisor().kill()

    assert_gone(processes)
    machine.up()
    assert len(operator.nodes()) == 1


def test_the_nodes_come_back_after_a_lost_head_which_they_do_not_hinder(machine, operator):
    operator.do("scale", "3")
    before = operator.nodes()
    workers = [raylet_of(each["node_id"]) for each in before[1:]]
    head = machine.pids()["ray"]

    os.kill(head, signal.SIGKILL)

    machine.until("ray", "ready", other_pid_than=head)
    assert not any(is_alive(each) for each in workers)
    after = operator.until(lambda nodes: len([n for n in nodes if n["state"] == "alive"]) == 3)
    assert not {each["node_id"] for each in after} & {each["node_id"] for each in before}
    assert (machine.root / "logs/ray.log").read_text().count("already running") == 0


@pytest.mark.parametrize("victim", ["raylet", "guard"])
def test_a_killed_node_is_started_again_and_leaves_nothing_behind(machine, operator, victim):
    operator.do("scale", "2")
    lost = operator.nodes()[1]
    raylet = raylet_of(lost["node_id"])
    start = raylet.parent()
    assert start is not None
    processes = family(start)
    guard = start.parent()
    assert guard is not None

    (raylet if victim == "raylet" else guard).kill()

    assert_gone(processes)
    operator.until(lambda nodes: any(is_new(each, lost) for each in nodes[1:]))
    assert operator.do("scale", "2").stderr.startswith("nothing to do\n")
    assert len(operator.nodes()) == 2


def is_new(node, lost):
    return node["state"] == "alive" and node["node_id"] != lost["node_id"]


def test_two_operators_at_once_have_their_wishes_one_after_the_other(operator):
    first = operator.begin("scale", "3")
    assert first.stderr is not None
    assert first.stderr.readline() == "adds 2 nodes, CPUs each: 1\n"

    impatient = operator.run("scale", "1", "--deadline", "0")
    second = operator.run("scale", "2")

    assert impatient.returncode == 6
    assert f"the cluster command of pid {first.pid} still changes" in impatient.stderr
    assert first.wait(180) == 0
    assert second.stderr.startswith(
        f"waits for the cluster command of pid {first.pid}\ndrains node-"
    )
    assert [each["state"] for each in operator.nodes()] == ["alive"] * 2


def test_a_command_that_was_killed_is_in_nobodys_way(operator):
    killed = operator.begin("scale", "2")
    assert killed.stderr is not None
    assert killed.stderr.readline() == "adds 1 node, CPUs each: 1\n"
    time.sleep(0.5)
    killed.kill()
    killed.wait()

    goes_on = operator.run("scale", "2")

    assert goes_on.returncode == 0
    assert "adds" not in goes_on.stderr
    assert len(operator.nodes()) == 2


def test_orders_in_a_row_are_not_given_twice(operator):
    operator.do("scale", "2")
    node_id = operator.nodes()[1]["node_id"]

    for words in (["drain", node_id], ["drain", node_id[:12]], ["remove", node_id]):
        done = operator.do(*words)

    assert done.stderr == "nothing to do\n"
    assert len(operator.nodes()) == 1


def test_a_dry_run_says_what_it_would_do_and_does_nothing(operator):
    operator.do("scale", "2")
    before = operator.nodes()

    for words in (["scale", "4"], ["scale", "1"], ["add", "2"], ["remove", before[1]["node_id"]]):
        told = operator.do(*words, "--dry-run")
        assert told.stderr.split()[0] in ("adds", "drains", "removes")

    assert operator.nodes() == before


def test_a_node_that_cannot_start_is_told_with_the_reason_and_comes_when_it_can(machine, operator):
    log = machine.root / "logs/nodes.log"
    log.rename(log.with_suffix(".kept"))
    log.mkdir()

    late = operator.run("scale", "2", "--deadline", "2")

    assert (late.returncode, late.stdout) == (6, "")
    assert "after 2 s the cluster still waits for node-" in late.stderr
    assert f"to start ([Errno 21] Is a directory: '{log}'" in late.stderr
    log.rmdir()
    assert operator.do("scale", "2").stderr.startswith("nothing to do\nwaits for node-")
    assert [each["state"] for each in operator.nodes()] == ["alive"] * 2


def test_a_silent_cluster_is_told_in_time_and_obeys_when_it_answers_again(machine, operator):
    head = psutil.Process(machine.pids()["ray"])
    brain = next(each for each in head.children(recursive=True) if each.name() == "gcs_server")

    with stopped(brain.pid):
        silent = operator.run("scale", "2", "--deadline", "5")

    assert (silent.returncode, silent.stdout) == (6, "")
    assert "does not answer for its nodes" in silent.stderr
    operator.do("scale", "2")
    assert [each["state"] for each in operator.nodes()] == ["alive"] * 2


def test_a_command_ends_when_the_stack_does(machine, operator):
    waiting = operator.begin("scale", "2")
    assert waiting.stderr is not None
    assert waiting.stderr.readline() == "adds 1 node, CPUs each: 1\n"

    machine.supervisor().kill()

    assert waiting.wait(100) == 6
    assert "The stack does not run" in waiting.stderr.read()


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["scale", "-1"], 2, "greater than or equal to 1"),
        (["scale", "0"], 2, "greater than or equal to 1"),
        (["scale", "two"], 2, "valid integer"),
        (["scale", "3", "--cpu", "2"], 2, "--cpu"),
        (["scale", "10000"], 2, "--yes"),
        (["add", "10000"], 2, "--yes"),
        (["scale", "2", "--cpus", "0"], 2, "--cpus"),
        (["scale", "2", "--deadline", "-1"], 2, "--deadline"),
        (["drain", "head"], 4, "the head cannot leave"),
        (["remove", "head"], 4, "the head cannot leave"),
        (["drain", "haed"], 3, "nearest: head"),
        (["remove", "node-4711"], 3, "no node 'node-4711'"),
    ],
)
def test_bad_use_is_answered_and_orders_nothing(machine, words, code, says):
    machine.up()
    folder = StateFolder(machine.root)
    before = read_orders(folder)

    refused = Operator(machine.environment).run(*words)

    assert (refused.returncode, refused.stdout) == (code, "")
    assert says in refused.stderr
    assert read_orders(folder) == before


def test_the_nodes_of_an_existing_ray_are_listed_and_left_alone(machine, operator, tmp_path):
    owner = machine
    token = (owner.root / "secrets/ray-token").read_text()
    address = owner.parts()["ray"]["url"]
    with tempfile.TemporaryDirectory(prefix="staging-", ignore_cleanup_errors=True) as name:
        guest = Machine(Path(name) / "b", {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token})
        guest.up("--use-existing", f"ray={address}")
        visitor = Operator(guest.environment)

        assert visitor.nodes() == operator.nodes()
        refused = visitor.run("scale", "2")
        guest.staging("down")

    assert (refused.returncode, refused.stdout) == (4, "")
    assert "is not this stack's own" in refused.stderr
    assert len(operator.nodes()) == 1
