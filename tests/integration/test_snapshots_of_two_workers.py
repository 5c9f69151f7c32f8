"""A job that moves from one worker to another leaves no session of its source behind."""

import dataclasses
import os
import signal
from itertools import pairwise

from cluster.holders import HolderBook, SnapshotHolders
from staging.core.manifest import Snapshot, SnapshotClass
from tests.contract.catalog_steps import NOW, a_plan, accepted
from tests.integration.postgres_database import database_on
from workflows.loops import SnapshotSweeper


def test_the_worker_that_lost_a_job_lets_go_of_its_holder_and_the_snapshot_lives(parts, postgres):
    left = parts
    joined = dataclasses.replace(parts, holders=SnapshotHolders(parts.session))
    sweepers = SnapshotSweeper(left), SnapshotSweeper(joined)
    job_id = accepted(parts.catalog)
    with database_on(postgres) as db:
        [export] = left.holders.open(job_id, db.connection)
        snapshot = Snapshot(SnapshotClass.EXPORTED, export, (export,))
        assert parts.catalog.record_plan(job_id, a_plan(3, snapshot), now=NOW)
        [other] = joined.holders.keep(job_id, db.connection, (export,))
        sweepers[1].round()  # before the new export is in the catalog
        assert parts.catalog.record_exports(job_id, (other,), now=NOW)

        for sweeper in sweepers * 2:
            sweeper.round()

        assert left.holders.own_exports() == {}
        assert joined.holders.keep(job_id, db.connection, (other,)) == (other,)
        assert len(db.sessions("staging holder shelf")) == 1
        joined.holders.release(job_id)


def test_the_export_of_a_silent_actor_outlives_the_worker(parts, postgres):
    actor, workers = HolderBook(), [SnapshotHolders(parts.session) for _ in range(4)]
    with database_on(postgres) as db:
        [export] = workers[0].open("job", db.connection)
        second = actor.hold("job", db.connection, (export,))
        kept = (export, second)

        for dying, heir in pairwise(workers):
            assert dying.keep("job", db.connection, kept) == kept
            dying.release_own("job")
            kept = heir.keep("job", db.connection, kept)

            assert kept == (heir.own_exports()["job"], second)

        workers[-1].release_own("job")
        actor.release("job")


def test_a_holder_whose_server_process_is_stopped_is_replaced(postgres, monkeypatch):
    monkeypatch.setattr("cluster.holders._ALIVE_SECONDS", 0.5)
    book = HolderBook()
    with database_on(postgres) as db:
        export = book.hold("job", db.connection, ())
        [(pid,)] = db.run(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'staging holder shelf'"
        )
        os.kill(pid, signal.SIGSTOP)
        try:
            fresh = book.hold("job", db.connection, (export,))
        finally:
            os.kill(pid, signal.SIGCONT)

        assert fresh != export
        assert book.hold("job", db.connection, (fresh,)) == fresh
        book.release("job")
        db.assert_left("staging holder shelf")
