"""The whole catalog, put together from its nouns."""

from staging.catalog.acks import Acks
from staging.catalog.amending import Amending
from staging.catalog.attempts import Attempts
from staging.catalog.backlog import Backlogs
from staging.catalog.chunks import Chunks
from staging.catalog.gauges import Gauging
from staging.catalog.jobs import Jobs
from staging.catalog.lifecycle import Lifecycle
from staging.catalog.migrate import Migrations
from staging.catalog.news import NewsOfJobs
from staging.catalog.plans import Plans
from staging.catalog.publishing import Publishing
from staging.catalog.purging import Purging
from staging.catalog.requests import Requests
from staging.catalog.revisions import Revisions
from staging.catalog.standings import Standings


class Catalog(
    Jobs,
    Revisions,
    Requests,
    Amending,
    Chunks,
    NewsOfJobs,
    Acks,
    Standings,
    Plans,
    Attempts,
    Publishing,
    Lifecycle,
    Purging,
    Gauging,
    Backlogs,
    Migrations,
):
    """What the service knows and promises; safe to share between threads.

    Each method is one transaction.  Every method raises CatalogUnavailable when the database
    does not answer or cannot be written; whether the transaction took effect is then unknown,
    so the caller does it again: all of them are idempotent or fenced.
    """
