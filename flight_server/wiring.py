"""Build what the Flight server needs, all of it before the server goes live."""

import shutil
from dataclasses import dataclass, field

from flight_server.cache import Cache
from flight_server.decoding import Decoding
from flight_server.endpoints import Desk
from flight_server.fetch import Fetcher
from flight_server.metrics import FlightMetrics
from flight_server.prefetch import Prefetch
from flight_server.streams import Streams
from flight_server.sweep import Sweep
from staging.catalog import Catalog
from staging.settings import Settings
from staging.storage.objects import ObjectStore, StoreConfig
from staging.storage.slots import Slots

_PARTS_OF_FREE_DISK = 5
"""The cache takes one of so many."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """The parts of the Flight server."""

    catalog: Catalog
    streams: Streams
    slots: Slots
    desk: Desk
    metrics: FlightMetrics
    keys: tuple[bytes, ...] = field(repr=False)
    """Those whose tickets are taken."""


def build(settings: Settings) -> Wiring:
    """Open the catalog, the store and an empty cache; raises MissingTicketKey."""
    desk = Desk(settings.ticket_key_bytes, settings.effective_flight_location, settings.purge_grace)
    catalog = Catalog.open(settings.effective_catalog_url)
    cache = _empty_cache(settings)
    metrics = FlightMetrics(cache)
    fetcher = Fetcher(ObjectStore(StoreConfig.from_settings(settings)))
    decoding = Decoding(fetcher, cache, metrics.decode_seconds)
    prefetch = Prefetch(catalog, decoding, settings.purge_grace)
    prefetch.start()
    Sweep(catalog, cache, settings.purge_grace).start()
    return Wiring(
        catalog=catalog,
        streams=Streams(cache, decoding, prefetch, metrics),
        slots=Slots(settings.flight_max_streams),
        desk=desk,
        metrics=metrics,
        keys=settings.accepted_ticket_keys,
    )


def _empty_cache(settings: Settings) -> Cache:
    folder = settings.effective_flight_cache_dir.absolute()
    Cache(folder, 0).clear()
    if settings.flight_cache_bytes is not None:
        return Cache(folder, settings.flight_cache_bytes)
    there = next(each for each in (folder, *folder.parents) if each.is_dir())
    return Cache(folder, shutil.disk_usage(there).free // _PARTS_OF_FREE_DISK)
