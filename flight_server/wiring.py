"""Build what the Flight server needs, all of it before the server goes live."""

from dataclasses import dataclass

from flight_server.endpoints import Desk
from flight_server.stream import Fetcher, Slots
from staging.catalog import Catalog
from staging.settings import Settings
from staging.storage.objects import ObjectStore, StoreConfig


@dataclass(frozen=True, slots=True)
class Wiring:
    """The parts of the Flight server."""

    catalog: Catalog
    fetcher: Fetcher
    slots: Slots
    desk: Desk

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The keys whose tickets are taken."""
        return (self.desk.key,)


def build(settings: Settings) -> Wiring:
    """Open the catalog and the store; raises MissingTicketKey."""
    desk = Desk(settings.ticket_key_bytes, settings.effective_flight_location, settings.purge_grace)
    return Wiring(
        catalog=Catalog.open(settings.effective_catalog_url),
        fetcher=Fetcher(ObjectStore(StoreConfig.from_settings(settings))),
        slots=Slots(settings.flight_max_streams),
        desk=desk,
    )
