"""What is told to a launcher of far nodes, and to Ray, when nodes are to leave."""

import time
from dataclasses import replace

import pytest

from staging.core.nodes import Node, NodeState, scaling
from staging.local import far_nodes
from staging.local.far_nodes import FarNodes
from staging.local.folder import StateFolder
from staging.local.launch_wish import LaunchWish, read_wish, write_wish

HEAD = Node("0" * 8, "10.0.0.1", NodeState.ALIVE, 0, 0, "head", is_head=True)
DRIVER = Node("9" * 8, "10.0.0.9", NodeState.ALIVE, 0, 0, "beside-the-worker")
READERS = [
    Node(str(number) * 8, f"10.0.0.{number}", NodeState.ALIVE, 2, 1, f"reader-{number}")
    for number in (2, 3)
]


class FakeLauncher:
    """Notes what it is told."""

    def __init__(self):
        self.sizes = []

    def least_workers(self):
        return 2

    def has_autoscaler(self):
        return True

    def resize(self, least, most, *, leaving=(), idle_minutes=None):
        self.sizes.append((least, most, tuple(leaving)))


class PlainLayout:
    """As much of a layout as far nodes ask for."""

    def __init__(self, root):
        self.folder = StateFolder(root)
        self.folder.create()


@pytest.fixture
def launcher():
    return FakeLauncher()


@pytest.fixture
def ended(monkeypatch):
    found, listed = [], [HEAD, *READERS, DRIVER]

    def drain(_, node_id, *__, **___):
        listed[:] = [
            replace(each, state=NodeState.DRAINING) if each.node_id == node_id else each
            for each in listed
        ]

    monkeypatch.setattr(far_nodes, "ray_nodes", lambda _: list(listed))
    monkeypatch.setattr(far_nodes, "drain_ray_node", drain)
    monkeypatch.setattr(far_nodes, "end_ray_node", lambda _, node_id, **__: found.append(node_id))
    return found


@pytest.fixture
def far(tmp_path, launcher, ended):
    return FarNodes(PlainLayout(tmp_path), launcher)


def test_what_a_worker_joins_ray_by_is_no_node_to_scale(far, launcher):
    assert far.nodes() == [HEAD, *READERS]
    assert scaling(far.nodes(), 2).drain == (READERS[1],)

    far.add(1, cpus=1)

    assert launcher.sizes == [(3, 3, ())]


def test_rays_own_autoscaler_keeps_the_say_when_a_node_is_drained(far, launcher, tmp_path):
    write_wish(StateFolder(tmp_path), LaunchWish(None))

    far.drain([READERS[0]], seconds=60)
    far.pending()

    wish = read_wish(StateFolder(tmp_path))
    assert wish.workers is None
    assert [each.node_id for each in wish.leaving] == [READERS[0].node_id]
    assert launcher.sizes == []


def test_a_node_that_drains_is_ended_at_once_when_it_is_removed(far, ended, tmp_path):
    assert not far.has_steps()
    far.drain([READERS[0]], seconds=600)
    assert far.has_steps()
    far.pending()
    assert ended == []

    far.remove([READERS[0]])
    far.pending()

    assert ended == [READERS[0].node_id]
    wish = read_wish(StateFolder(tmp_path))
    assert wish.workers == 1
    assert wish.leaving[0].end_by <= time.time()
