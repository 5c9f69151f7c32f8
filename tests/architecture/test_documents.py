"""What the documents say about the tree is so."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/adr/README.md")
_PLACE = re.compile(r"`((?:[\w.-]+/)+[\w.-]*)`|\]\(([\w./-]+\.md)\)")


def places() -> list[tuple[str, str]]:
    found = []
    for document in DOCUMENTS:
        for path, link in _PLACE.findall((ROOT / document).read_text()):
            found.append((document, path or f"{Path(document).parent}/{link}"))
    return found


@pytest.mark.parametrize(("document", "place"), places())
def test_a_document_names_only_places_that_exist(document, place):
    assert (ROOT / place).exists(), f"{document} names {place}"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("staging/catalog/publishing.py", "def publish_partition"),
        ("staging/catalog/fencing.py", "def fence_out"),
        ("staging/storage/links.py", "def sign"),
        ("staging/core/tickets.py", "def open_ticket"),
        ("staging/core/jobs.py", "LEGAL_MOVES"),
        ("staging/sources/kinds.py", "def source_for"),
        ("workflows/loops.py", "def collect_garbage"),
    ],
)
def test_the_architecture_page_leads_to_the_right_file(path, name):
    assert f"`{path}`" in (ROOT / "ARCHITECTURE.md").read_text()
    assert name in (ROOT / path).read_text()


def test_only_the_settings_read_our_variables():
    """Values of STAGING_* reach code through Settings; the embedded stack sets them for others."""
    readers = [
        str(file.relative_to(ROOT))
        for part in ("api", "cluster", "flight_server", "staging", "workflows")
        for file in (ROOT / part).rglob("*.py")
        if re.search(r"environ(\.get\(|\[)\s*[\"']STAGING_", file.read_text())
    ]
    assert readers == []


@pytest.mark.parametrize(
    "path", ["api", "client", "cluster", "flight_server", "staging", "workflows", "tests"]
)
def test_no_file_is_two_nouns_in_one_room(path):
    longest = 300 if path != "tests" else 450
    long = [
        f"{file.relative_to(ROOT)}: {lines}"
        for file in (ROOT / path).rglob("*.py")
        if (lines := len(file.read_text().splitlines())) > longest
    ]
    assert long == []
