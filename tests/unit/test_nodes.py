"""Which nodes come and go when a cluster is scaled, and which one a word means."""

import pytest

from staging.cli.scaling import find_node, removable_node
from staging.core.nodes import Node, NodeState, Scaling, scaling
from staging.local.errors import NodeStays, UnknownNode


def node(number, *, partitions=0, state=NodeState.ALIVE):
    node_id = None if state is NodeState.STARTING else f"{number:04x}" * 14
    return Node(node_id, f"127.0.0.{number}", state, 1, partitions, f"node-{number}")


HEAD = Node("f" * 56, "192.0.2.1", NodeState.ALIVE, 2, 0, "head", is_head=True)


def test_the_head_counts_as_a_node():
    assert scaling([HEAD], 1) == Scaling()
    assert scaling([HEAD], 3) == Scaling(add=2)


def test_nodes_that_start_count_and_those_that_leave_or_left_do_not():
    nodes = [
        HEAD,
        node(1, state=NodeState.DRAINING),
        node(2),
        node(3, state=NodeState.STARTING),
        node(4, state=NodeState.DEAD),
    ]

    assert scaling(nodes, 3) == Scaling()
    assert scaling(nodes, 4) == Scaling(add=1)


def test_the_nodes_that_read_least_leave_first_and_the_youngest_among_equals():
    nodes = [HEAD, node(1, partitions=1), node(2), node(3, partitions=1), node(4, partitions=2)]

    assert scaling(nodes, 3).drain == (nodes[2], nodes[3])
    assert scaling(nodes, 1).drain == (nodes[2], nodes[3], nodes[1], nodes[4])


def test_a_node_is_found_by_its_name_its_id_and_the_beginning_of_its_id():
    nodes = [HEAD, node(1), node(2), node(2, state=NodeState.DEAD)]

    for word in ("node-2", nodes[2].node_id, "00020"):
        assert find_node(nodes[:3], word) == nodes[2]
    assert find_node(nodes, "node-2").state is NodeState.ALIVE


def test_an_unknown_node_is_answered_with_the_nearest_and_a_vague_one_is_refused():
    nodes = [HEAD, node(1), node(17)]

    with pytest.raises(UnknownNode, match="no node 'node-18'; nearest: node-1, node-17;"):
        find_node(nodes, "node-18")
    with pytest.raises(UnknownNode, match="2 ids begin with '00'"):
        find_node(nodes, "00")
    with pytest.raises(UnknownNode):
        find_node(nodes[:2], "000")


def test_the_head_never_leaves():
    for word in ("head", "f" * 56, "ffff"):
        with pytest.raises(NodeStays, match="the head cannot leave"):
            removable_node([HEAD, node(1)], word)
    assert removable_node([HEAD, node(1)], "node-1") == node(1)
