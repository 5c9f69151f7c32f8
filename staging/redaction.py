"""Take secrets out of text that is about to be logged."""

import json
import re
from collections.abc import Iterable

_SHORTEST = 6
"""A shorter secret would be found in innocent words; the patterns below must do."""
_GONE = "[redacted]"
_PATTERNS = (
    (re.compile(r"(?<=://)[^/\s\"\\@]*:[^/\s\"\\]+@"), f"{_GONE}@"),
    (
        re.compile(
            r"((?:X-Amz-(?:Signature|Credential|Security-Token)|AWSAccessKeyId|Signature)=)"
            r"[^&\s\"\\]+"
        ),
        rf"\1{_GONE}",
    ),
    (
        re.compile(
            r"((?:password|passwd|secret|secret_access_key|token|authorization)"
            r"(?:\\?[\"'])?\s*[=:]\s*(?:\\?[\"'])?(?:Bearer )?)(?!\[redacted\])[^\s\"'\\,;&)}\]]+",
            re.IGNORECASE,
        ),
        rf"\1{_GONE}",
    ),
)
_known: set[str] = set()


def conceal(secrets: Iterable[str | None]) -> None:
    """Let these values never be logged by this process from now on."""
    for secret in secrets:
        if secret is not None and len(secret) >= _SHORTEST:
            _known.update({secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]})


def redacted(text: str) -> str:
    """Give the text without the secrets that are known, and without what looks like one."""
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, _GONE)
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text
