"""Keep the high-water mark of an incremental job."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the mark; jobs from before have none."""
    op.add_column("jobs", sa.Column("high_water", sa.JSON))
