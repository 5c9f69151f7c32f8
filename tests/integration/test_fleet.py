"""The supervisor looks after the nodes again once what was in its way is gone."""

import threading
import time

import pytest

from staging.local.fleet import Fleet
from staging.local.folder import StateFolder
from staging.local.layout import lay_out
from staging.local.node_orders import Order, Orders, read_orders, write_orders
from staging.local.node_report import NodeReport, read_report
from staging.local.options import UpOptions
from staging.local.ports import PortBook
from staging.settings import Settings


@pytest.fixture
def folder(tmp_path) -> StateFolder:
    folder = StateFolder(tmp_path)
    folder.create()
    return folder


@pytest.fixture
def fleet(folder):
    """A fleet without a head, and what it says."""
    settings = Settings(state_dir=folder.root)
    layout = lay_out(settings, UpOptions(port=0), folder, None, PortBook())
    said, has_spoken = [], threading.Event()

    def say(line):
        said.append(line)
        has_spoken.set()

    one = Fleet(layout, lambda: None, say)
    yield one, said, has_spoken
    one.stop()


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_fleet_that_cannot_write_says_so_and_goes_on_when_it_can(folder, fleet):
    one, said, has_spoken = fleet
    folder.nodes_file.mkdir()

    one.start()
    assert has_spoken.wait(60)
    assert said[0].startswith("the nodes are not looked after: [Errno 21] Is a directory")

    folder.nodes_file.rmdir()
    until(folder.nodes_file.exists)
    assert read_report(folder) == NodeReport()


def test_a_fleet_goes_on_after_a_failure_that_nobody_foresaw(folder, fleet):
    one, said, has_spoken = fleet
    one.start()
    until(folder.nodes_file.exists)

    folder.orders_file.write_text("{")
    assert has_spoken.wait(60)
    assert said[0].startswith("the nodes are not looked after: JSONDecodeError: Expecting")

    write_orders(folder, Orders(1, (Order("node-1", 1),)))
    until(lambda: read_report(folder).of("node-1"))


def test_a_new_life_of_the_stack_begins_without_the_nodes_of_the_last(folder, fleet):
    write_orders(folder, Orders(4, (Order("node-4", 1),)))

    fleet[0].start()

    assert read_orders(folder) == Orders()


def test_no_node_is_started_without_a_head(folder, fleet):
    one, said, _ = fleet
    one.start()

    write_orders(folder, Orders(1, (Order("node-1", 1),)))

    until(lambda: (status := read_report(folder).of("node-1")) and status.pid is None)
    assert (said, folder.log("nodes").exists()) == ([], False)
