"""Orders are given by one command at a time, and survive being read at any instant."""

import threading

import pytest

from staging.local.errors import ClusterBusy
from staging.local.folder import StateFolder
from staging.local.node_orders import Order, Orders, read_orders, turn, write_orders


@pytest.fixture
def folder(tmp_path) -> StateFolder:
    folder = StateFolder(tmp_path)
    folder.create()
    return folder


def test_orders_are_read_as_they_were_written(folder):
    orders = Orders(7, (Order("node-6", 1), Order("node-7", 4, drain_by=1e9)))
    assert read_orders(folder) == Orders()

    write_orders(folder, orders)

    assert read_orders(folder) == orders
    assert [file.name for file in folder.run.iterdir()] == ["node-orders.json"]
    assert orders.of("node-7") == Order("node-7", 4, 1e9)
    assert orders.of("node-5") is None


def test_a_second_command_is_told_who_is_in_its_way(folder):
    said = []
    with (
        turn(folder, 0, said.append),
        pytest.raises(ClusterBusy, match=r"the cluster command of pid \d+ still changes"),
        turn(folder, 0, said.append),
    ):
        pass

    assert len(said) == 1


def test_a_second_command_has_its_turn_after_the_first(folder):
    waits, order = threading.Event(), []

    def second():
        with turn(folder, 30, lambda _: waits.set()):
            order.append("second")

    with turn(folder, 0, print):
        thread = threading.Thread(target=second)
        thread.start()
        assert waits.wait(60)
        order.append("first")
    thread.join(60)

    assert order == ["first", "second"]
