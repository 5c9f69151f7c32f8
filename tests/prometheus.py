"""Read what a process shows to Prometheus."""

import httpx2
from prometheus_client.parser import text_string_to_metric_families

Samples = dict[str, dict[frozenset[tuple[str, str]], float]]


def scrape(url: str) -> Samples:
    """The samples by name, then by labels."""
    answer = httpx2.get(url, timeout=20)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain"), answer.headers
    return samples(answer.text)


def samples(text: str) -> Samples:
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[labels(**sample.labels)] = sample.value
    return found


def labels(**named: str) -> frozenset[tuple[str, str]]:
    return frozenset(named.items())
