"""Keep the memory of a Ray process, which runs many attempts, to what an attempt needs."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder

import pyarrow as pa


@contextmanager
def lean_process(*, has_pandas: bool) -> Iterator[None]:
    """Take less memory in the block, and give back to the system at its end what was freed.

    What one attempt leaves behind would be added to the peak of the next, 60 MB and more.
    Arrow's own pools keep what a thread that has ended had freed, so glibc's is used.
    `has_pandas` is for code that is not ours and may want it.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    finders = [] if has_pandas else [_NoPandas()]
    sys.meta_path[:0] = finders
    try:
        yield
    finally:
        for each in finders:
            sys.meta_path.remove(each)
        pa.default_memory_pool().release_unused()


class _NoPandas(MetaPathFinder):
    """Lets pandas be as if it were not installed.

    pyarrow and duckdb import it, where they can, at the first Python value that they convert:
    34 MB and 0.4 s in each new process.  `None` in `sys.modules` would say the same, but not to
    pyarrow, whose compiled code takes it for a module.
    """

    def find_spec(self, name: str, *_: object) -> None:
        """Raise ModuleNotFoundError for pandas, leave the rest to the others."""
        if name == "pandas":
            raise ModuleNotFoundError("an extraction task does without pandas", name=name)
