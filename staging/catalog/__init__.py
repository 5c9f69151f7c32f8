"""The catalog: jobs, partitions, attempts, chunks and acks; one method is one transaction."""

from staging.catalog.catalog import Catalog
from staging.catalog.migrate import migrate
from staging.catalog.records import IdempotencyKey, Inserted, Move, News, Requested

__all__ = ["Catalog", "IdempotencyKey", "Inserted", "Move", "News", "Requested", "migrate"]
