"""Bring the catalog's tables up to date: `python -m staging.local.migration`."""

import sys

from staging.catalog import migrate
from staging.core.errors import CatalogUnavailable
from staging.settings import settings


def main() -> int:
    """Migrate the catalog of the settings; 1 with a line about it if it cannot be written."""
    try:
        migrate(settings().effective_catalog_url)
    except CatalogUnavailable as refused:
        sys.stderr.write(f"the catalog cannot be migrated: {refused.__cause__ or refused}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
