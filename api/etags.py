"""Entity tags (RFC 9110, section 8.8.3); a job's is its revision, weak."""


def etag(revision: int) -> str:
    """Give the tag of a revision."""
    return f'W/"{revision}"'


def is_known(if_none_match: str | None, revision: int) -> bool:
    """Tell whether If-None-Match names the revision, in whatever strength, or is `*`."""
    return is_named(if_none_match, f'"{revision}"')


def is_named(if_none_match: str | None, tag: str) -> bool:
    """Tell whether If-None-Match names a strong tag, in whatever strength, or is `*`."""
    if if_none_match is None:
        return False
    named = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
    return "*" in named or tag in named
