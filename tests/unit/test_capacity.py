"""What the cluster can be given: all CPUs that stay, and the memory of one node."""

from cluster.nodes import Capacity, capacity

GIB = 1 << 30


class State:
    """Nodes as Ray lists them."""

    def __init__(self, *nodes, draining=()):
        self._nodes, self._draining = nodes, draining

    def get_draining_nodes(self):
        return dict.fromkeys(self._draining, 0)

    def node_table(self):
        return list(self._nodes)


def node(name, *, cpus=2.0, gib=4, alive=True):
    resources = {"CPU": cpus, "memory": gib * GIB}
    return {"NodeID": name, "Alive": alive, "Resources": resources if cpus else {}}


def test_a_task_can_be_given_the_memory_of_the_largest_node_that_takes_tasks():
    state = State(node("head"), node("a", cpus=1.0, gib=1), node("b", gib=3))

    assert capacity(state) == Capacity(cpus=5, node_memory=4 * GIB)


def test_nodes_that_leave_or_left_or_read_nothing_do_not_count():
    gone, leaving, idle = node("c", gib=9, alive=False), node("d", gib=9), node("e", cpus=0)
    state = State(node("head"), gone, leaving, idle, draining=["d"])

    assert capacity(state) == Capacity(cpus=2, node_memory=4 * GIB)


def test_a_cluster_without_a_node_is_waited_for_by_one():
    assert capacity(State()) == Capacity(cpus=1, node_memory=0)
