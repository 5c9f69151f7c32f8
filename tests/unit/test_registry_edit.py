"""Adding to and removing from connections.toml."""

import pytest

from staging.core.errors import InvalidValue, UnknownConnection
from staging.sources.connections import Connections
from staging.sources.registry_edit import add_connection, remove_connection

APP = {"kind": "sqlite", "path": "app.db", "orgs": [1]}
WRITTEN = """# ours
[connections.exports]  # nightly
kind = "parquet"
root = "exports"
"""


def test_what_is_added_can_be_read_and_the_rest_of_the_file_stays(tmp_path):
    path = tmp_path / "connections.toml"
    path.write_text(WRITTEN)

    added = add_connection(path, "app", APP)

    assert path.read_text().startswith(WRITTEN)
    assert Connections(path).get(1, "app") == added
    assert [each.name for each in Connections(path).list(1)] == ["app", "exports"]


def test_the_first_connection_creates_a_file_that_only_its_owner_reads(tmp_path):
    path = tmp_path / "new" / "connections.toml"

    add_connection(path, "app", APP)

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == ('[connections.app]\nkind = "sqlite"\npath = "app.db"\norgs = [1]\n')


@pytest.mark.parametrize(
    ("name", "fields", "problem"),
    [
        ("exports", APP, "connection exports is there already; remove it first"),
        ("app", APP | {"password": "x"}, "connection app: password is not a field of kind sqlite"),
        ("a b", APP, "a connection's name is 1 to 64 letters, digits, `_` or `-`"),
    ],
)
def test_what_is_wrong_is_refused_and_changes_nothing(tmp_path, name, fields, problem):
    path = tmp_path / "connections.toml"
    path.write_text(WRITTEN)

    with pytest.raises(InvalidValue) as raised:
        add_connection(path, name, fields)

    assert raised.value.detail == problem
    assert path.read_text() == WRITTEN


def test_a_removed_connection_is_gone_and_the_others_stay(tmp_path):
    path = tmp_path / "connections.toml"
    path.write_text(WRITTEN)
    add_connection(path, "app", APP)

    remove_connection(path, "exports")

    assert [each.name for each in Connections(path).list(1)] == ["app"]


def test_removing_what_is_not_there_names_the_nearest(tmp_path):
    path = tmp_path / "connections.toml"
    path.write_text(WRITTEN)

    with pytest.raises(UnknownConnection, match="no connection 'export'; nearest: exports"):
        remove_connection(path, "export")
