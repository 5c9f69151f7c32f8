"""Batching: many questions, few calls, and each its own answer."""

import asyncio
import threading

import pytest

from api.batching import Batching
from staging.core.errors import UnknownChunk


async def test_questions_of_one_moment_are_one_call_and_later_ones_the_next():
    batching: Batching[int, int] = Batching()
    calls, may_end = [], threading.Event()

    def answers(asked):
        calls.append(sorted(asked))
        assert may_end.wait(30)
        return {each: each * each for each in asked}

    first = [asyncio.create_task(batching.ask(each, answers)) for each in (1, 2, 2)]
    while not calls:
        await asyncio.sleep(0.01)
    later = [asyncio.create_task(batching.ask(each, answers)) for each in (2, 3)]
    await asyncio.sleep(0)
    may_end.set()

    assert await asyncio.gather(*first, *later) == [1, 4, 4, 4, 9]
    assert calls == [[1, 2], [2, 3]]


async def test_a_call_has_no_more_questions_than_keep_it_short():
    batching: Batching[int, int] = Batching()
    sizes = []

    def answers(asked):
        sizes.append(len(asked))
        return {each: each for each in asked}

    found = await asyncio.gather(*(batching.ask(each, answers) for each in range(150)))

    assert found == list(range(150))
    assert sizes == [64, 64, 22]


async def test_an_error_is_that_questions_alone_unless_the_call_itself_fails():
    batching: Batching[int, int] = Batching()

    def answers(asked):
        if 0 in asked:
            raise ZeroDivisionError
        return {each: UnknownChunk("odd") if each % 2 else each for each in asked}

    asked = [batching.ask(each, answers) for each in (1, 2)]
    odd, even = await asyncio.gather(*asked, return_exceptions=True)
    assert (type(odd), even) == (UnknownChunk, 2)
    for failed in await asyncio.gather(
        *(batching.ask(each, answers) for each in (0, 2)), return_exceptions=True
    ):
        assert isinstance(failed, ZeroDivisionError)
    assert await batching.ask(2, answers) == 2


async def test_an_asker_who_goes_takes_nobody_along():
    batching: Batching[int, int] = Batching()
    begun, may_end = threading.Event(), threading.Event()

    def answers(asked):
        begun.set()
        assert may_end.wait(30)
        return {each: each for each in asked}

    gone, stays = (asyncio.create_task(batching.ask(7, answers)) for _ in range(2))
    while not begun.is_set():
        await asyncio.sleep(0.01)
    gone.cancel()
    may_end.set()

    assert await stays == 7
    with pytest.raises(asyncio.CancelledError):
        await gone
