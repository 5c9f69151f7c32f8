"""connections.toml: what it may say, and what becomes of it."""

import os
import pickle
from pathlib import Path

import pytest

from staging.core.errors import (
    FieldError,
    InvalidValue,
    SourceAuth,
    Unavailable,
    UnknownConnection,
)
from staging.sources.connection import FIELDS, Connection
from staging.sources.connections import Connections
from staging.sources.s3_prefix import S3Prefix

WAREHOUSE = """
[connections.warehouse]
kind = "postgres"
host = "127.0.0.1"
port = 5433
database = "tpch"
user = "reader"
password = "env:WAREHOUSE_PASSWORD"
orgs = [1, 7]
max_connections = 4
"""


def registry(tmp_path: Path, text: str) -> Connections:
    (tmp_path / "connections.toml").write_text(text)
    return Connections(tmp_path / "connections.toml")


def test_a_connection_is_read_as_it_is_written(tmp_path):
    found = registry(tmp_path, WAREHOUSE).get(7, "warehouse")

    assert found == Connection(
        name="warehouse",
        kind="postgres",
        orgs=frozenset({1, 7}),
        max_connections=4,
        host="127.0.0.1",
        port=5433,
        database="tpch",
        user="reader",
        password="env:WAREHOUSE_PASSWORD",
    )


def test_a_mysql_connection_has_its_own_port_and_says_how_it_asks_for_tls(tmp_path):
    text = '[connections.shop]\nkind = "mysql"\nhost = "db"\ndatabase = "shop"\nuser = "reader"\n'
    plain = registry(tmp_path, text).get(1, "shop")
    checked = registry(tmp_path, f'{text}tls = "verify"\ntls_ca = "ca.pem"\n').get(1, "shop")

    assert (plain.port, plain.tls, plain.tls_ca) == (3306, "prefer", None)
    assert (checked.tls, checked.tls_ca) == ("verify", tmp_path / "ca.pem")
    problems = registry(tmp_path, f'{text}tls = "no"\n').problems()
    assert problems == {"shop": "connection shop: tls must be one of prefer, require, verify"}


ELSEWHERE = """
[connections.shop]
kind = "sqlalchemy"
dialect = "oracle+oracledb"
database = "shop"
"""


def test_any_other_database_is_named_by_its_dialect_and_takes_its_driver_s_parameters(tmp_path):
    text = f'{ELSEWHERE}parameters = {{service_name = "shop", wallet = "/etc/secret/a"}}\n'
    found = registry(tmp_path, text).get(1, "shop")

    assert (found.dialect, found.database, found.port) == ("oracle+oracledb", "shop", 0)
    assert found.parameters == (("service_name", "shop"), ("wallet", "/etc/secret/a"))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            'dialect = "oracle://reader:hunter2@host"',
            "dialect must be what SQLAlchemy calls it, like oracle+oracledb",
        ),
        ("parameters = {a = 1}", "parameters must be a table of texts"),
        (
            'parameters = {wallet_password = "hunter2"}',
            "parameters must not hold a secret, as wallet_password may",
        ),
        (
            'parameters = {odbc_connect = "DSN=shop;Pwd = hunter2"}',
            "parameters must not hold a secret, as odbc_connect may",
        ),
        ("allow_query = true", "allow_query is not a field of kind sqlalchemy"),
    ],
)
def test_a_wrong_field_of_any_other_database_is_named_without_its_value(tmp_path, line, problem):
    kept = [each for each in ELSEWHERE.splitlines() if not each.startswith(line.split(" ")[0])]

    problems = registry(tmp_path, "\n".join([*kept, line])).problems()

    assert problems == {"shop": f"connection shop: {problem}"}


def test_paths_start_at_the_folder_of_the_file(tmp_path):
    found = registry(
        tmp_path,
        '[connections.a]\nkind = "sqlite"\npath = "app.db"\n'
        '[connections.b]\nkind = "parquet"\nroot = "/exports"\n'
        '[connections.c]\nkind = "iceberg"\nroot = "lake"\ncatalog = "lake/catalog.db"\n',
    )

    assert found.get(1, "a").path == tmp_path / "app.db"
    assert found.get(1, "b").root == Path("/exports")
    assert found.get(1, "c").catalog == tmp_path / "lake" / "catalog.db"


def test_a_missing_file_has_no_connections(tmp_path):
    assert Connections(tmp_path / "none.toml").list(1) == []


def test_a_change_of_the_file_is_seen_at_once(tmp_path):
    connections = registry(tmp_path, WAREHOUSE)
    assert [each.name for each in connections.list(1)] == ["warehouse"]

    registry(tmp_path, WAREHOUSE.replace("warehouse", "depot"))
    assert [each.name for each in connections.list(1)] == ["depot"]
    (tmp_path / "connections.toml").unlink()
    assert connections.list(1) == []


def test_an_unknown_name_is_answered_with_the_nearest_ones(tmp_path):
    with pytest.raises(UnknownConnection) as raised:
        registry(tmp_path, WAREHOUSE).get(1, "warehuose")

    detail = "there is no connection 'warehuose'; nearest: warehouse"
    assert raised.value.errors == (FieldError("#/source/connection", detail),)


def test_another_organisation_s_connection_is_answered_like_an_unknown_one(tmp_path):
    connections = registry(tmp_path, WAREHOUSE)

    with pytest.raises(UnknownConnection) as raised:
        connections.get(2, "warehouse")

    assert raised.value.detail == "there is no connection 'warehouse'"
    assert connections.list(2) == []


@pytest.mark.parametrize("literal", ["hunter2", "env:", "env:1X", "", 'x"]', "plain:hunter2"])
def test_a_literal_password_is_refused_and_never_shown(tmp_path, literal):
    text = WAREHOUSE.replace('"env:WAREHOUSE_PASSWORD"', f"'{literal}'")

    with pytest.raises(InvalidValue) as raised:
        registry(tmp_path, text).get(1, "warehouse")

    assert raised.value.detail == (
        "connection warehouse: password must be a reference, env:NAME or file:PATH; "
        "a literal one is refused"
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("port = 0", "port must be a whole number from 1 to 65535"),
        ("port = true", "port must be a whole number from 1 to 65535"),
        ("max_connections = 0", "max_connections must be a whole number from 1 to 1000"),
        ("orgs = [0]", f"orgs must be a whole number from 1 to {2**63 - 1}"),
        ("orgs = 1", "orgs must be a list of organisation ids"),
        ('allow_query = "yes"', "allow_query must be true or false"),
        ('host = ""', "host must be a text that is not empty"),
        ('host = "169.254.169.254"', "host is link-local; allow_link_local = true permits it"),
        ('hots = "a"', "hots is not a field of kind postgres; nearest: host"),
        (
            'kind = "oracle"',
            f"kind must be one of {', '.join(sorted(FIELDS))}",
        ),
    ],
)
def test_a_wrong_field_is_named(tmp_path, line, problem):
    key = line.split(" ")[0]
    kept = [each for each in WAREHOUSE.splitlines() if not each.startswith(f"{key} =")]

    connections = registry(tmp_path, "\n".join([*kept, line]))

    assert connections.problems() == {"warehouse": f"connection warehouse: {problem}"}
    with pytest.raises(InvalidValue):
        connections.get(1, "warehouse")


def test_a_missing_field_is_named(tmp_path):
    text = WAREHOUSE.replace('database = "tpch"\n', "")

    with pytest.raises(InvalidValue, match="database is missing; kind postgres needs it"):
        registry(tmp_path, text).get(1, "warehouse")


EXPORTS = """
[connections.exports]
kind = "parquet"
root = "s3://our-bucket/daily/exports/"
endpoint = "https://s3.example:9000"
region = "eu-central-1"
addressing = "virtual"
access_key_id = "env:EXPORTS_KEY"
secret_access_key = "file:exports.secret"
"""


def test_a_root_in_s3_is_read_as_it_is_written(tmp_path):
    connections = registry(tmp_path, EXPORTS)

    root = connections.get(1, "exports").root
    assert root == S3Prefix(
        bucket="our-bucket",
        prefix="daily/exports",
        endpoint="https://s3.example:9000",
        region="eu-central-1",
        addressing="virtual",
        access_key_id="env:EXPORTS_KEY",
        secret_access_key=f"file:{tmp_path}/exports.secret",
    )
    assert str(root) == "s3://our-bucket/daily/exports"
    bare = registry(tmp_path, '[connections.a]\nkind = "parquet"\nroot = "s3://our-bucket"\n')
    assert bare.get(1, "a").root == S3Prefix("our-bucket")


def test_the_keys_of_a_store_are_read_when_the_connection_is_resolved(tmp_path, monkeypatch):
    monkeypatch.setenv("EXPORTS_KEY", "our-key")
    connection = registry(tmp_path, EXPORTS).get(1, "exports")

    with pytest.raises(SourceAuth, match="connection exports: the secret_access_key's file"):
        connection.resolved()
    (tmp_path / "exports.secret").write_text("hunter2\n")
    resolved = connection.resolved()
    assert resolved.root.keys == ("our-key", "hunter2")
    assert "hunter2" not in repr(resolved) + str(resolved.root)
    assert pickle.loads(pickle.dumps(resolved)) == resolved


ODD_ROOT = "root must be a folder, or s3://bucket/prefix without odd parts"
ODD_ENDPOINT = "endpoint must be http://host:port or https://host:port, nothing more"
NO_S3 = "is for a root in S3, s3://bucket/prefix"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('root = "s3://our-bucket/a/../b"', ODD_ROOT),
        ('root = "s3://our-bucket/a//b"', ODD_ROOT),
        ('root = "s3://key:hunter2@our-bucket/a"', ODD_ROOT),
        ('root = "s3://Our_Bucket"', ODD_ROOT),
        ('root = "gs://our-bucket/a"', ODD_ROOT),
        ('endpoint = "s3.example"', ODD_ENDPOINT),
        ('endpoint = "http://key:hunter2@s3.example"', ODD_ENDPOINT),
        ('endpoint = "https://s3.example/path"', ODD_ENDPOINT),
        ('endpoint = "https://s3.example:99999"', ODD_ENDPOINT),
        (
            'endpoint = "http://169.254.169.254"',
            "endpoint is link-local; allow_link_local = true permits it",
        ),
        ('addressing = "host"', "addressing must be one of path, virtual"),
        (
            'secret_access_key = "hunter2"',
            "secret_access_key must be a reference, env:NAME or file:PATH; "
            "a literal one is refused",
        ),
        ('root = "exports"', f"access_key_id {NO_S3}"),
    ],
)
def test_a_wrong_field_of_a_root_in_s3_is_named_and_never_shown(tmp_path, line, problem):
    key = line.split(" ")[0]
    kept = [each for each in EXPORTS.splitlines() if not each.startswith(f"{key} =")]

    problems = registry(tmp_path, "\n".join([*kept, line])).problems()

    assert problems == {"exports": f"connection exports: {problem}"}


@pytest.mark.parametrize("missing", ["access_key_id", "secret_access_key"])
def test_one_key_of_a_store_is_not_enough(tmp_path, missing):
    kept = [each for each in EXPORTS.splitlines() if not each.startswith(missing)]

    problems = registry(tmp_path, "\n".join(kept)).problems()

    detail = "connection exports: access_key_id and secret_access_key are given together"
    assert problems == {"exports": detail}


def test_one_invalid_connection_does_not_hide_the_others(tmp_path):
    connections = registry(tmp_path, WAREHOUSE + '[connections.broken]\nkind = "none"\n')

    assert [each.name for each in connections.list(1)] == ["warehouse"]
    assert list(connections.problems()) == ["broken"]


@pytest.mark.parametrize("orgs", ["[9]", "9", "[0]"])
def test_an_invalid_connection_of_others_is_answered_like_an_unknown_one(tmp_path, orgs):
    connections = registry(tmp_path, f'[connections.broken]\nkind = "none"\norgs = {orgs}\n')

    with pytest.raises(UnknownConnection):
        connections.get(1, "broken")


def test_a_file_that_is_not_toml_is_said_to_be_so_without_its_text(tmp_path):
    with pytest.raises(InvalidValue) as raised:
        registry(tmp_path, "password = hunter2").list(1)

    assert raised.value.detail == (
        "connections.toml is not valid TOML (at line 1, column 12); no connection can be used"
    )


@pytest.mark.parametrize("place", ["connections.toml", "connections.toml/beneath.toml"])
def test_a_file_that_cannot_be_read_is_away_and_its_place_is_not_told(tmp_path, place):
    (tmp_path / "connections.toml").mkdir()
    (tmp_path / "connections.toml" / "beneath.toml").mkdir()

    with pytest.raises(Unavailable) as raised:
        Connections(tmp_path / place).list(1)

    assert raised.value.detail == f"{Path(place).name} cannot be read; no connection can be used"


def test_a_password_is_read_from_the_environment_when_it_is_resolved(tmp_path, monkeypatch):
    monkeypatch.setenv("WAREHOUSE_PASSWORD", "hunter2")

    resolved = registry(tmp_path, WAREHOUSE).get(1, "warehouse").resolved()

    assert resolved.secret == "hunter2"
    assert "hunter2" not in repr(resolved)
    assert pickle.loads(pickle.dumps(resolved)) == resolved


def test_a_password_is_read_from_a_file_beside_the_registry(tmp_path):
    (tmp_path / "secret").write_text("hunter2\n")
    text = WAREHOUSE.replace("env:WAREHOUSE_PASSWORD", "file:secret")

    assert registry(tmp_path, text).get(1, "warehouse").resolved().secret == "hunter2"


@pytest.mark.parametrize("reference", ["env:NOT_SET_ANYWHERE", "file:not-there"])
def test_a_password_that_is_not_there_is_an_authentication_failure(tmp_path, reference):
    assert "NOT_SET_ANYWHERE" not in os.environ
    text = WAREHOUSE.replace("env:WAREHOUSE_PASSWORD", reference)

    with pytest.raises(SourceAuth) as raised:
        registry(tmp_path, text).get(1, "warehouse").resolved()

    assert "connection warehouse: the password's" in raised.value.detail
