"""How many nodes are wanted: enough for what is left, within budgets, limits and the cool-down."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from staging.core.autoscale import Backlog, Course, Limits, readers, wanted_nodes
from staging.core.nodes import Node, NodeState

LIMITS = Limits(least=1, most=8)


def node(number, cpus=1, state=NodeState.ALIVE):
    return Node(f"{number:056x}", "127.0.0.1", state, cpus, 0, f"node-{number}")


HEAD = Node("f" * 56, "192.0.2.1", NodeState.ALIVE, 2, 0, "head", is_head=True)
counts = st.integers(0, 60)
backlogs = st.lists(
    st.builds(
        Backlog,
        st.sampled_from(["warehouse", "lake", "gone"]),
        counts,
        st.none() | st.integers(1, 20),
        st.integers(0, 3),
        st.integers(0, 10_000),
    ),
    max_size=6,
)
budgets = st.fixed_dictionaries({"warehouse": counts, "lake": counts})
limits = st.builds(
    lambda least, more, cpus: Limits(least, least + more, cpus),
    st.integers(1, 5),
    counts,
    st.integers(1, 4),
)
clusters = st.lists(
    st.builds(node, st.integers(1, 99), st.integers(0, 4), st.sampled_from(NodeState)), max_size=9
).map(lambda others: [HEAD, *others])


def test_as_many_readers_are_wanted_as_there_are_partitions_and_the_job_and_the_budget_allow():
    a_job = Backlog("warehouse", 40, None, 2, 400)

    assert readers([], {"warehouse": 8}) == 0
    assert readers([a_job], {"warehouse": 8}) == 6
    assert readers([a_job], {"warehouse": 100}) == 40
    assert readers([a_job], {}) == 0
    assert readers([Backlog("warehouse", 40, 3, 0, 400)] * 2, {"warehouse": 100}) == 6
    assert readers([a_job, Backlog("warehouse", 0, None, 5, 0)], {"warehouse": 8}) == 1
    assert readers([a_job, Backlog("lake", 5, None, 0, 50)], {"warehouse": 8, "lake": 8}) == 11


def test_no_more_readers_are_wanted_than_have_bytes_enough():
    budgets = {"warehouse": 100, "lake": 100}
    large, small = Backlog("warehouse", 40, None, 0, 400), Backlog("warehouse", 40, None, 0, 4)

    assert readers([large], budgets, 100) == 4
    assert readers([large], budgets, 1) == 40
    assert readers([small] * 20, budgets, 100) == 1
    assert readers([large, small], budgets, 100) == 5
    assert readers([small, Backlog("lake", 9, None, 0, 1)], budgets, 100) == 2
    assert readers([Backlog("warehouse", 0, None, 2, 0)], budgets, 100) == 0


def test_nodes_are_wanted_until_they_have_cpus_enough():
    assert wanted_nodes([HEAD], 0, LIMITS) == 1
    assert wanted_nodes([HEAD], 2, LIMITS) == 1
    assert wanted_nodes([HEAD], 3, LIMITS) == 2
    assert wanted_nodes([HEAD], 6, Limits(least=1, most=8, cpus=2)) == 3
    assert wanted_nodes([HEAD], 100, LIMITS) == 8
    assert wanted_nodes([HEAD], 0, Limits(least=3, most=8)) == 3
    assert wanted_nodes([HEAD, node(1, 4), node(2, 4)], 5, LIMITS) == 2


def test_nodes_that_start_count_and_those_that_leave_or_left_do_not():
    leaving = [node(1, 9, NodeState.DRAINING), node(2, 9, NodeState.DEAD)]

    assert wanted_nodes([HEAD, *leaving, node(3, 3, NodeState.STARTING)], 5, LIMITS) == 2


def test_the_cluster_grows_at_once_and_shrinks_to_the_largest_wish_of_the_cool_down():
    course = Course()
    found = []
    for now, wanted in enumerate([1, 5, 2, 3, 1, 1, 1, 1]):
        course = course.steer(wanted, now=float(now), cool_down_seconds=3)
        found.append(course.largest)

    assert found == [1, 5, 5, 5, 3, 3, 1, 1]


@given(backlogs, budgets, counts)
def test_no_more_readers_are_wanted_than_all_budgets_allow(left, budget, bytes_per_reader):
    wanted = readers(left, budget, bytes_per_reader)

    assert 0 <= wanted <= min(sum(budget.values()), sum(each.partitions for each in left))


@given(clusters, counts, limits)
def test_wanted_nodes_are_within_the_limits_and_have_cpus_enough_below_the_ceiling(
    nodes, cpus, limits
):
    wanted = wanted_nodes(nodes, cpus, limits)

    assert limits.least <= wanted <= limits.most
    staying = [each.cpus for each in nodes if each.stays]
    have = sum(staying[:wanted]) + limits.cpus * max(0, wanted - len(staying))
    assert wanted == limits.most or have >= cpus


@given(
    st.lists(st.tuples(st.floats(0, 5), st.integers(1, 9)), min_size=1),
    st.floats(0.1, 20),
)
def test_the_course_is_the_largest_wish_of_the_cool_down_and_of_now(steps, cool_down):
    course, now, past = Course(), 0.0, []
    for passed, wanted in steps:
        now += passed
        past.append((now, wanted))
        course = course.steer(wanted, now=now, cool_down_seconds=cool_down)

        assert course.largest == max(
            count for at, count in past if at + cool_down > now or at == now
        )
    assert course.steer(1, now=inf, cool_down_seconds=cool_down).largest == 1
