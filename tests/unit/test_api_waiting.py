"""Waiting: for a job's news, and for what may hang."""

import asyncio
import threading
import time

import pytest

from api.asking import Asker
from api.watching import Watch
from staging.catalog import Catalog, migrate
from staging.core.errors import CatalogUnavailable, SourceUnavailable, UnknownJob
from staging.core.jobs import Amendment
from tests.contract.catalog_steps import NOW, accepted


class Counted(Catalog):
    """A catalog that counts how often revisions are read.

    It can be told to be away, or to hold its next answer up.
    """

    reads = 0
    is_away = False
    holds_up: threading.Event | None = None

    def revisions(self, asked):
        found = None if self.is_away else super().revisions(asked)
        held, self.holds_up = self.holds_up, None
        self.reads += 1
        if held is not None:
            held.wait(30)
        if found is None:
            raise CatalogUnavailable()
        return found


@pytest.fixture
def catalog(tmp_path):
    url = f"sqlite:///{tmp_path}/catalog.db"
    migrate(url)
    catalog = Counted.open(url)
    yield catalog
    catalog.close()


async def leaves() -> None:
    """A caller who is gone at once."""


async def test_those_who_wait_share_each_read_whatever_they_wait_for(catalog):
    jobs, watch = [(1, accepted(catalog)) for _ in range(20)], Watch(catalog)
    until = asyncio.get_running_loop().time() + 1

    found = await asyncio.gather(
        *(watch.revision(job, unlike='W/"1"', seconds=1) for job in jobs for _ in range(10))
    )

    assert found == [1] * 200
    assert asyncio.get_running_loop().time() >= until
    assert catalog.reads <= 2 + 7  # two to begin with, then one a period for all


async def test_all_who_wait_hear_the_news_and_nobody_else_is_told(catalog):
    (changing, other), watch = [(1, accepted(catalog)) for _ in range(2)], Watch(catalog)
    waiting = [
        asyncio.create_task(watch.revision(changing, unlike='"1"', seconds=30)) for _ in range(60)
    ]
    undisturbed = asyncio.create_task(watch.revision(other, unlike='"1"', seconds=30))
    await asyncio.sleep(0.3)
    catalog.request_pause(*changing, now=NOW)

    assert await asyncio.wait_for(asyncio.gather(*waiting), 10) == [2] * 60
    assert not undisturbed.done()
    catalog.request_pause(*other, now=NOW)
    assert await asyncio.wait_for(undisturbed, 10) == 2


async def test_a_change_just_before_the_call_is_seen_by_it(catalog):
    job, watch = (1, accepted(catalog)), Watch(catalog)
    for revision in range(2, 12):
        busy = asyncio.create_task(watch.revision(job, unlike=None, seconds=0))
        await asyncio.sleep(0)
        catalog.amend_job(*job, Amendment(name=f"{revision}", is_renamed=True), now=NOW)

        assert await watch.revision(job, unlike=None, seconds=0) == revision
        assert await busy in (revision - 1, revision)


async def test_one_revision_of_several_that_are_known_does_not_end_the_wait(catalog):
    job, watch = (1, accepted(catalog)), Watch(catalog)
    waiting = asyncio.create_task(watch.revision(job, unlike='"1", "2"', seconds=30))
    for revision in (2, 3):
        await asyncio.sleep(0.4)
        assert not waiting.done()
        catalog.amend_job(*job, Amendment(name=f"{revision}", is_renamed=True), now=NOW)

    assert await asyncio.wait_for(waiting, 10) == 3


async def test_one_who_begins_to_wait_while_others_are_looked_for_is_not_told_by_that_look(catalog):
    (early, late), watch = [(1, accepted(catalog)) for _ in range(2)], Watch(catalog)
    first = asyncio.create_task(watch.revision(early, unlike='"1"', seconds=30))
    await until_looked_for(first, catalog)
    held = catalog.holds_up = threading.Event()
    await until_looked_for(first, catalog)  # this look is under way until it is let go
    catalog.amend_job(*early, Amendment(name="2", is_renamed=True), now=NOW)
    waits = {early: '"1", "2"', late: '"1"'}
    begun = [watch.revision(job, unlike=seen, seconds=1.5) for job, seen in waits.items()]
    waiting = [asyncio.create_task(each) for each in begun]
    await asyncio.sleep(0.2)

    held.set()

    assert await asyncio.wait_for(first, 10) == 2
    assert not any(each.done() for each in waiting)
    assert await asyncio.wait_for(asyncio.gather(*waiting), 10) == [2, 1]


async def until_looked_for(waiting, catalog) -> None:
    """Come back once the next look has read the catalog."""
    before = catalog.reads
    while catalog.reads == before:
        assert not waiting.done()
        await asyncio.sleep(0.01)


async def test_nobody_waits_for_a_caller_who_has_left_or_after_the_end(catalog):
    job, watch = (1, accepted(catalog)), Watch(catalog)
    waiting = asyncio.create_task(watch.revision(job, unlike="*", seconds=30))

    left = watch.revision(job, unlike="*", seconds=30, leaving=leaves)
    assert await asyncio.wait_for(left, 5) == 1
    watch.end()
    assert await asyncio.wait_for(waiting, 5) == 1
    after = watch.revision(job, unlike="*", seconds=30)
    assert await asyncio.wait_for(after, 5) == 1


async def test_a_catalog_that_fails_fails_those_who_wait_and_nobody_later(catalog):
    job, watch = (1, accepted(catalog)), Watch(catalog)
    waiting = [asyncio.create_task(watch.revision(job, unlike='"1"', seconds=30)) for _ in range(3)]
    await asyncio.sleep(0.05)
    catalog.is_away = True

    for found in await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 10):
        assert isinstance(found, CatalogUnavailable)
    with pytest.raises(CatalogUnavailable):
        await watch.revision(job, unlike=None, seconds=0)
    catalog.is_away = False
    assert await watch.revision(job, unlike='"1"', seconds=0.3) == 1


async def test_an_unknown_job_is_not_waited_for(catalog):
    with pytest.raises(UnknownJob):
        await Watch(catalog).revision((1, "x"), unlike="*", seconds=30)


async def test_an_answer_in_time_is_given_and_an_error_raised():
    asker = Asker(2)

    def refuse() -> None:
        raise SourceUnavailable("down")

    assert await asker.ask(lambda: 7, 5) == 7
    with pytest.raises(SourceUnavailable, match="down"):
        await asker.ask(refuse, 5)


async def test_what_hangs_is_left_behind_and_keeps_its_thread():
    asker, release = Asker(1), threading.Event()
    started = time.monotonic()

    with pytest.raises(TimeoutError):
        await asker.ask(lambda: release.wait(30), 0.1)
    with pytest.raises(TimeoutError, match="taken"):
        await asker.ask(lambda: 7, 5)

    assert time.monotonic() - started < 20
    release.set()
    for _ in range(100):
        try:
            assert await asker.ask(lambda: 7, 5) == 7
        except TimeoutError:
            await asyncio.sleep(0.05)
        else:
            return
    raise AssertionError("the thread was never given back")
