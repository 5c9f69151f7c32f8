"""A task that hangs is given up, whether it spoke before or not; one that waits is left alone."""

import pytest

from cluster.silence import Silence


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def silence(clock) -> Silence:
    found = Silence(20, clock)
    for task in ("one", "two", "three"):
        found.hand_over(task, 512)
    return found


def test_a_task_that_waits_for_its_turn_may_be_silent(silence, clock):
    clock.now += 10_000

    assert silence.too_long() == []


def test_a_task_that_spoke_and_is_silent_is_given_up(silence, clock):
    silence.hear("one")
    clock.now += 20
    assert silence.too_long() == []
    clock.now += 1
    assert silence.too_long() == ["one"]
    silence.hear("one")
    assert silence.too_long() == []


def test_a_task_that_never_spoke_is_given_up_once_a_later_one_spoke_long_ago(silence, clock):
    silence.hear("two")
    clock.now += 15
    silence.hear("two")
    silence.hear("three")
    silence.forget("two")
    assert silence.too_long() == []
    clock.now += 6

    assert silence.too_long() == ["one"]
    silence.forget("one")
    assert silence.too_long() == []


def test_a_later_task_of_other_needs_says_nothing(silence, clock):
    silence.hand_over("larger", 1024)
    silence.hear("larger")
    clock.now += 21

    assert silence.too_long() == ["larger"]


def test_an_earlier_task_says_nothing_of_a_later_one(silence, clock):
    silence.hear("one")
    silence.forget("one")
    clock.now += 21

    assert silence.too_long() == []
