"""Signals that come at any moment of the main thread's waiting."""

import random
import signal

import pytest

from staging.signals import heard_signals

TRIES = 3_000
"""A handler that set an Event was blocked for good within so many, in each of five runs."""


@pytest.fixture
def own_handlers():
    before = signal.getsignal(signal.SIGALRM)
    yield
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.timeout(30, method="thread")
@pytest.mark.usefixtures("own_handlers")
def test_a_signal_is_heard_whenever_it_comes():
    wait_for_next = heard_signals(signal.SIGALRM)
    chance = random.Random(0)

    for _ in range(TRIES):
        signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-6, 2e-5))
        assert wait_for_next() == signal.SIGALRM
