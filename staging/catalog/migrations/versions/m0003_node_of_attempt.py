"""Keep on which node an attempt ran."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the node; attempts from before have none."""
    op.add_column("attempts", sa.Column("node_id", sa.Text))
