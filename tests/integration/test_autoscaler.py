"""The autoscaler looks after its provider in turns with operators, whatever went wrong before."""

import time

import pytest

from staging.catalog import migrate
from staging.core.autoscale import Limits
from staging.core.nodes import Node, NodeState
from staging.local.autoscale_orders import (
    AutoscaleReport,
    read_autoscale_report,
    write_limits,
)
from staging.local.autoscaler import Autoscaler
from staging.local.errors import ClusterBusy
from staging.local.folder import StateFolder
from staging.local.layout import Layout, lay_out
from staging.local.node_orders import turn
from staging.local.options import UpOptions
from staging.local.ports import PortBook
from staging.settings import Settings
from tests.postgres_catalog import new_database

HEAD = Node("0" * 56, "127.0.0.1", NodeState.ALIVE, 1, 0, "head", is_head=True)


class _HeadOnly:
    """A provider of the head alone, which counts its rounds and those that were in no turn."""

    def __init__(self, folder: StateFolder) -> None:
        self._folder = folder
        self.rounds = self.rounds_without_turn = 0
        self.leaves_steps = True

    def has_steps(self) -> bool:
        return self.leaves_steps

    def pending(self) -> list[str]:
        self.rounds += 1
        try:
            with turn(self._folder, 0, lambda _: None):
                self.rounds_without_turn += 1
        except ClusterBusy:
            pass
        return []

    def nodes(self) -> list[Node]:
        return [HEAD]

    def own_autoscaler(self) -> None:
        return None


@pytest.fixture
def layout(tmp_path, postgres) -> Layout:
    """A stack whose catalog, in Postgres, has no tables yet."""
    registry = tmp_path / "connections.toml"
    registry.touch()
    folder = StateFolder(tmp_path / "state")
    folder.create()
    url = new_database(postgres)
    settings = Settings(state_dir=folder.root, connections=registry, catalog_url=url)
    return lay_out(settings, UpOptions(port=0), folder, None, PortBook())


@pytest.fixture
def autoscaler(layout, monkeypatch):
    """An autoscaler of quick rounds, its provider, and what it says."""
    monkeypatch.setattr("staging.local.autoscaler._ROUND_SECONDS", 0.02)
    provider, said = _HeadOnly(layout.folder), []
    one = Autoscaler(layout, provider, said.append)
    write_limits(layout.folder, Limits(1, 1))
    yield one, provider, said
    one.stop()


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_steps_of_earlier_orders_are_taken_in_turns_with_operators(layout, autoscaler):
    one, provider, said = autoscaler
    migrate(layout.catalog_url)

    with turn(layout.folder, 0, said.append):
        one.start()
        time.sleep(0.5)
        assert provider.rounds == 0

    until(lambda: provider.rounds > 3)
    assert (provider.rounds_without_turn, said) == (0, [])


def test_the_steps_of_earlier_orders_are_taken_while_it_is_off_too_and_only_where_there_are_any(
    layout, autoscaler
):
    one, provider, _ = autoscaler
    write_limits(layout.folder, None)
    provider.leaves_steps = False

    one.start()
    time.sleep(0.5)
    assert provider.rounds == 0

    provider.leaves_steps = True
    until(lambda: provider.rounds > 3)


def test_an_autoscaler_that_finds_no_tables_goes_on_when_they_are_there(layout, autoscaler):
    one, _, said = autoscaler
    one.start()
    until(lambda: read_autoscale_report(layout.folder))
    missing = 'ProgrammingError: (psycopg.errors.UndefinedTable) relation "jobs" does not exist'
    assert read_autoscale_report(layout.folder) == AutoscaleReport(0, 0, 0, missing)

    migrate(layout.catalog_url)

    until(lambda: read_autoscale_report(layout.folder) == AutoscaleReport(0, 1, 1))
    assert said == [f"autoscale  {missing}"]


def test_an_autoscaler_that_cannot_write_says_so_once_and_goes_on(layout, autoscaler):
    one, provider, said = autoscaler
    migrate(layout.catalog_url)
    layout.folder.autoscale_report.mkdir()

    one.start()
    until(lambda: provider.rounds > 3)
    assert [line[:24] for line in said] == ["autoscale  [Errno 21] Is"]

    layout.folder.autoscale_report.rmdir()
    until(lambda: read_autoscale_report(layout.folder) == AutoscaleReport(0, 1, 1))
