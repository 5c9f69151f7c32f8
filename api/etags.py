"""Entity tags of jobs: the revision, weak (RFC 9110, section 8.8.3)."""


def etag(revision: int) -> str:
    """Give the tag of a revision."""
    return f'W/"{revision}"'


def is_known(if_none_match: str | None, revision: int) -> bool:
    """Tell whether If-None-Match names the revision, in whatever strength, or is `*`."""
    if if_none_match is None:
        return False
    named = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
    return "*" in named or f'"{revision}"' in named
