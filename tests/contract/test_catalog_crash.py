"""A process may die at any moment; what it published is whole."""

import subprocess
import sys
from collections import Counter

from tests.contract.catalog_steps import NOW, a_receipt, begin, check_order, running

PUBLISHER = """
import sys
from staging.catalog import Catalog
from tests.contract.catalog_steps import BUDGET, NOW, a_receipt
catalog, job_id, term = Catalog.open(sys.argv[1]), sys.argv[2], int(sys.argv[3])
while begun := catalog.begin_attempts(job_id, term, limit=2, budget=BUDGET, now=NOW):
    for _, attempt in begun:
        catalog.publish_partition(a_receipt(attempt, 3, 4, 5), now=NOW)
        print(attempt.partition_id, flush=True)
"""


def test_a_process_killed_while_it_publishes_leaves_whole_partitions(catalog, catalog_url):
    job_id = running(catalog, partitions=300)
    told = []
    for lines in (5, 17, 40):
        term = str(catalog.take_term(job_id, now=NOW))
        with subprocess.Popen(
            [sys.executable, "-c", PUBLISHER, catalog_url, job_id, term],
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            told += [int(process.stdout.readline()) for _ in range(lines)]
            process.kill()

    count = check_order(catalog, job_id)
    chunks = catalog.chunks(1, job_id, since_index=0, limit=count)
    by_partition = Counter(chunk.partition_id for chunk in chunks)
    assert set(by_partition.values()) == {3}
    assert set(told) <= set(by_partition)
    assert len(told) == len(set(told))

    while attempts := begin(catalog, job_id):
        for attempt in attempts:
            catalog.publish_partition(a_receipt(attempt, 3, 4, 5), now=NOW)
    assert catalog.seal_job(job_id, now=NOW) is True
    assert check_order(catalog, job_id) == 900
