"""Waiting: for a job's news, and for what may hang."""

import asyncio
import threading
import time

import pytest

from api.asking import Asker
from api.watching import Watch
from staging.catalog import Catalog, migrate
from staging.core.errors import SourceUnavailable, UnknownJob
from tests.contract.catalog_steps import NOW, accepted


class Counted(Catalog):
    """A catalog that counts how often revisions are read."""

    reads = 0

    def revision(self, org_id: int, job_id: str) -> int:
        self.reads += 1
        return super().revision(org_id, job_id)


@pytest.fixture
def catalog(tmp_path):
    url = f"sqlite:///{tmp_path}/catalog.db"
    migrate(url)
    catalog = Counted.open(url)
    yield catalog
    catalog.close()


async def stays() -> bool:
    return False


async def leaves() -> bool:
    return True


async def test_those_who_wait_for_one_job_share_its_reads(catalog):
    job_id, watch = accepted(catalog), Watch(catalog)

    found = await asyncio.gather(
        *(watch.revision((1, job_id), unlike='W/"1"', seconds=1, has_left=stays) for _ in range(50))
    )

    assert found == [1] * 50
    assert catalog.reads <= 50 + 10  # one each to begin with, then one for all a period


async def test_all_who_wait_hear_the_news(catalog):
    job_id, watch = accepted(catalog), Watch(catalog)
    waiting = [
        asyncio.create_task(watch.revision((1, job_id), unlike='"1"', seconds=30, has_left=stays))
        for _ in range(5)
    ]
    await asyncio.sleep(0.3)
    catalog.request_pause(1, job_id, now=NOW)

    assert await asyncio.wait_for(asyncio.gather(*waiting), 10) == [2] * 5


async def test_nobody_waits_for_a_caller_who_has_left_or_after_the_end(catalog):
    job_id, watch = accepted(catalog), Watch(catalog)

    async def wait(has_left) -> int:
        waiting = watch.revision((1, job_id), unlike="*", seconds=30, has_left=has_left)
        return await asyncio.wait_for(waiting, 5)

    assert await wait(leaves) == 1
    watch.end()
    assert await wait(stays) == 1


async def test_an_unknown_job_is_not_waited_for(catalog):
    with pytest.raises(UnknownJob):
        await Watch(catalog).revision((1, "x"), unlike="*", seconds=30, has_left=stays)


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

    assert time.monotonic() - started < 4
    release.set()
    for _ in range(100):
        try:
            assert await asker.ask(lambda: 7, 5) == 7
        except TimeoutError:
            await asyncio.sleep(0.05)
        else:
            return
    raise AssertionError("the thread was never given back")
