"""Who calls: what the identity headers may say, the same by HTTP and by Flight."""

import re
from dataclasses import dataclass

from staging.core.errors import BadIdentity

DEFAULT_ORG = 1
LARGEST_ORG = 2**63 - 1
_ORG = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_MAX_USER_LENGTH = 128


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller; `is_claimed` is False when no header named an organisation."""

    org_id: int = DEFAULT_ORG
    user_id: str | None = None
    is_claimed: bool = False


def read_identity(org: str | None, user: str | None) -> Identity:
    """Read the values of X-Org-ID and X-User-ID; raises BadIdentity."""
    if org is not None and not (_ORG.fullmatch(org) and int(org) <= LARGEST_ORG):
        raise BadIdentity()
    if user is not None and not (len(user) <= _MAX_USER_LENGTH and user.isprintable()):
        raise BadIdentity()
    return Identity(int(org) if org else DEFAULT_ORG, user or None, org is not None)
