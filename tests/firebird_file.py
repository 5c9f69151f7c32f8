"""A real Firebird database in a file, by the engine of the system's package, in this process."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from firebird.driver import connect, create_database

from staging.sources.connection import Connection, parse_connection

USER, CHARSET = "SYSDBA", "UTF8"
_ENGINES = "*/firebird/3.0/plugins/libEngine12.so"
_MISSING = "Firebird is not installed: apt-get install -y libfbclient2 firebird3.0-server-core"


class FirebirdFile:
    """One database; `run` is its owner's SQL, each call in a transaction of its own."""

    def __init__(self, path: Path) -> None:
        if not list(Path("/usr/lib").glob(_ENGINES)):
            pytest.skip(_MISSING)
        self.path = path
        create_database(str(path), user=USER, charset=CHARSET).close()

    @property
    def fields(self) -> dict[str, Any]:
        """What connections.toml says of it."""
        return {
            "kind": "sqlalchemy",
            "dialect": "firebird+firebird",
            "database": str(self.path),
            "user": USER,
            "parameters": {"charset": CHARSET},
        }

    @property
    def connection(self) -> Connection:
        return parse_connection("other", self.fields, self.path.parent)

    def run(self, *statements: str) -> None:
        with connect(str(self.path), user=USER, charset=CHARSET) as session:
            for statement in statements:
                session.execute_immediate(statement)
                session.commit()

    def insert(self, statement: str, rows: Iterable[tuple]) -> None:
        with connect(str(self.path), user=USER, charset=CHARSET) as session:
            session.cursor().executemany(statement, list(rows))
            session.commit()


def shared_by_processes(folder: Path) -> dict[str, str]:
    """Give the environment in which processes open one file at a time, as a server would.

    The engine's own default is that the first process keeps the others out (firebird.conf).
    """
    folder.mkdir()
    (folder / "firebird.conf").write_text("ServerMode = Classic\n")
    return {"FIREBIRD": str(folder), "FIREBIRD_LOCK": str(folder)}
