"""A task's process stays small; each claim in a process of its own, as it is changed for good."""

import subprocess
import sys

ENTERED = """
import importlib.util, sys
from decimal import Decimal

import psutil
import pyarrow as pa

from cluster.lean import lean_process

def own_bytes():
    return psutil.Process().memory_full_info().uss
"""
NO_PANDAS = f"""{ENTERED}
import duckdb

assert importlib.util.find_spec("pandas"), "this says nothing where pandas is not installed"
with lean_process(has_pandas=False):
    assert pa.scalar(Decimal(1), pa.decimal128(9, 2)).as_py() == 1
    assert pa.array([1, None]).null_count == 1
    assert duckdb.execute("SELECT ?", ["a"]).fetchall() == [("a",)]
assert "pandas" not in sys.modules
with lean_process(has_pandas=True):
    import pandas
"""
GIVEN_BACK = f"""{ENTERED}
import threading

SIZE, COUNT = 100_000, 1000
kept = []

def fill():
    for _ in range(COUNT):
        kept.append(pa.array(["x" * SIZE]))

with lean_process(has_pandas=False):
    thread = threading.Thread(target=fill)
    thread.start()
    thread.join()
    held = own_bytes()
    last = kept[-1]
    kept.clear()
assert held - own_bytes() > 0.9 * SIZE * COUNT, (held, own_bytes())
"""


def run(script):
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_task_imports_no_pandas_but_for_a_driver_that_may_want_it():
    run(NO_PANDAS)


def test_what_a_thread_left_behind_is_given_back():
    run(GIVEN_BACK)
