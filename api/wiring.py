"""Build what the API needs from its settings."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from api.asking import Asker
from api.batching import Batching
from api.handout import Handout
from api.metrics import Metrics
from api.orchestration import Orchestration, TemporalOrchestration
from api.page_tokens import PageTokens
from api.sharing import Sharing
from api.streamed import Streams
from api.watching import Watch
from staging.catalog import Catalog
from staging.settings import Settings
from staging.sources.connections import Connections
from staging.storage.links import LinkSigner
from staging.storage.objects import ObjectStore, StoreConfig

_SOURCE_SLOTS = 32
_PROBE_SLOTS = 8
_NEWS_THREADS = 4


def utc_now() -> datetime:
    """Give the time."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Wiring:
    """The parts of the API."""

    catalog: Catalog
    connections: Connections
    handout: Handout
    tokens: PageTokens
    orchestration: Orchestration
    watch: Watch
    metrics: Metrics
    store: ObjectStore
    now: Callable[[], datetime] = utc_now
    sources: Asker = field(default_factory=lambda: Asker(_SOURCE_SLOTS))
    probes: Asker = field(default_factory=lambda: Asker(_PROBE_SLOTS))
    streams: Streams = field(default_factory=Streams)
    refreshes: Batching[Any, Any] = field(default_factory=Batching)
    news: Sharing[Any] = field(default_factory=lambda: Sharing(_NEWS_THREADS))


def build(settings: Settings) -> Wiring:
    """Open the catalog and the signer; nothing is reached for before it is used.

    Raises MissingTicketKey.
    """
    config = StoreConfig.from_settings(settings)
    key = settings.ticket_key_bytes
    locations = (settings.effective_flight_location,)
    catalog = Catalog.open(settings.effective_catalog_url)
    return Wiring(
        catalog=catalog,
        connections=Connections(settings.connections),
        handout=Handout(LinkSigner(config), key, locations, settings.purge_grace),
        tokens=PageTokens(key),
        orchestration=TemporalOrchestration(settings.temporal_address, settings.temporal_namespace),
        watch=Watch(catalog),
        metrics=Metrics(catalog),
        store=ObjectStore(config),
    )
