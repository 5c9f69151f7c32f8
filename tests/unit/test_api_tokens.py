"""Page tokens and entity tags take back what they gave out, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.etags import etag, is_known
from api.page_tokens import PageTokens
from staging.core.errors import BadPageToken

TOKENS = PageTokens(b"a key")
# Half a surrogate pair cannot come in by a URL.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(TEXT, TEXT)
def test_a_token_opens_for_its_listing(listing, after):
    assert TOKENS.open(listing, TOKENS.make(listing, after)) == after


@given(TEXT, TEXT, TEXT)
def test_a_token_does_not_open_for_another_listing_or_key(listing, other, after):
    token = TOKENS.make(listing, after)

    with pytest.raises(BadPageToken):
        PageTokens(b"another key").open(listing, token)
    if other != listing:
        with pytest.raises(BadPageToken):
            TOKENS.open(other, token)


@given(TEXT)
def test_garbage_opens_nothing(token):
    with pytest.raises(BadPageToken):
        TOKENS.open("jobs 1", token)


@given(st.text(max_size=4).filter(lambda added: added not in {"", "="}), st.booleans())
def test_a_changed_token_opens_nothing(added, in_front):
    token = TOKENS.make("jobs 1", "here")

    with pytest.raises(BadPageToken):
        TOKENS.open("jobs 1", added + token if in_front else token + added)


def test_a_key_is_never_shown():
    assert "a key" not in repr(TOKENS)


@pytest.mark.parametrize(
    ("header", "known"),
    [
        (None, False),
        ("", False),
        ('W/"7"', True),
        ('"7"', True),
        ("7", False),
        ('W/"17"', False),
        ('W/"6", W/"7"', True),
        ("*", True),
    ],
)
def test_a_revision_is_known_by_its_tag(header, known):
    assert etag(7) == 'W/"7"'
    assert is_known(header, 7) is known
