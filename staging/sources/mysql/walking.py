"""Find the keys that part a table into ranges of like many rows."""

from collections.abc import Iterator
from dataclasses import dataclass

import pymysql

from staging.sources.mysql.faults import TIMEOUTS, error_number
from staging.sources.mysql.key_range import Edge, beyond
from staging.sources.mysql.keys import Key
from staging.sources.mysql.quoting import quote_name
from staging.sources.mysql.relation import Relation
from staging.sources.mysql.session import Session


def quantiles(session: Session, relation: Relation, key: Key, rows: int) -> Iterator[Edge]:
    """Walk the index and give each key that has so many `rows` before it, since the last.

    The last range has half as many or more.  The server reads the index alone for that.  A walk
    that takes too long ends early: what is left is then one range.
    """
    walk = _Walk(session, relation, key)
    try:
        edge = walk.key_after(None, rows)
        while edge is not None:
            following = walk.key_after(edge, rows)
            if following is None and walk.key_after(edge, rows // 2) is None:
                return
            yield edge
            edge = following
    except pymysql.MySQLError as error:
        if error_number(error) not in TIMEOUTS:
            raise


@dataclass(frozen=True, slots=True)
class _Walk:
    session: Session
    relation: Relation
    key: Key

    def key_after(self, edge: Edge | None, rows: int) -> Edge | None:
        """Give the key that comes so many rows after an edge, None if there are not so many."""
        columns = self.key.columns
        names = [each.name for each in columns]
        condition = f"{quote_name(names[0])} IS NOT NULL" if edge is None else beyond(names, edge)
        found = self.session.ask(
            f"SELECT {', '.join(each.selected for each in columns)} FROM {self.relation.sql}"
            f" WHERE {condition} ORDER BY {', '.join(map(quote_name, names))}"
            f" LIMIT 1 OFFSET {rows}"
        )
        if not found:
            return None
        return [each.literal(value) for each, value in zip(columns, found[0], strict=True)]
