"""A job that moves from one worker to another leaves no session of its source behind."""

import dataclasses

from cluster.holders import SnapshotHolders
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
