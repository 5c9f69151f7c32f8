"""A prefix of an S3 bucket as a root: objects are files, pinned by size and ETag.

Every read is of the pinned object or of none: it asks `If-Match` (RFC 9110, section 13.1.1), so a
file that is replaced in mid-read is never shown, and nothing is left to look at in the end.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import datetime
from functools import cached_property, partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from staging.core.errors import SourceChanged, SourceError, SourceUnavailable
from staging.sources.files.path_pattern import ANY_FOLDERS, matching_depths
from staging.sources.files.pins import FilePin
from staging.sources.files.ranged_object import RangedObject
from staging.sources.files.root import WILD, changed, is_shown
from staging.sources.files.s3_asking import READERS, asking, s3_client, status_of
from staging.sources.s3_prefix import S3Prefix

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

_MOST_KNOWN = 10_000
_RANGE_SECONDS = 60
"""How long one range may take, however steadily it trickles."""
_RECEIVED_BYTES = 256 * 1024


class S3Root:
    """The objects below a prefix; see staging.sources.files.root.Root.  Safe for threads."""

    def __init__(self, connection: str, place: S3Prefix, *, allow_link_local: bool = False) -> None:
        self._place = place
        self._where = f"connection {connection}: {place.endpoint or 'S3'}"
        self._allow_link_local = allow_link_local

    def find(self, asked: str, suffixes: Sequence[str]) -> Iterator[FilePin]:
        """Pin the objects that a key, prefix or glob means."""
        # No key that begins so is listed before this one.
        exact = None if asked == "." else next(self._listed(self._key(asked), page_keys=1), None)
        if exact is not None and exact.path == asked:
            return iter([exact])
        below = self._listed(self._key(asked, below=True))
        first = next(below, None)
        if first is not None:
            start = 0 if asked == "." else len(asked) + 1
            return _shown(chain([first], below), start, suffixes)
        return self._matching(asked, suffixes) if WILD & set(asked) else iter(())

    def known(self, suffixes: Sequence[str]) -> Iterator[str]:
        """Name the objects with one of the suffixes, among the first 10,000."""
        listed = islice(self._listed(self._key(".", below=True)), _MOST_KNOWN)
        return (pin.path for pin in _shown(listed, 0, suffixes))

    def pin(self, path: str) -> FilePin | None:
        """Pin one object by its size and ETag; None if the path climbs, whatever the store does."""
        found = self._head(path)
        return None if found is None else FilePin(path, found["ContentLength"], found["ETag"])

    def pins(self, paths: Iterable[str]) -> Iterator[FilePin | None]:
        """Pin many objects, some at once."""
        pool = ThreadPoolExecutor(READERS, "s3-pins")
        try:
            yield from pool.map(self.pin, paths)
        finally:
            pool.shutdown(cancel_futures=True)

    def changed_at(self, path: str) -> datetime:
        """Tell when an object was put."""
        found = self._head(path)
        if found is None:
            raise SourceChanged(f"{path!r} is gone")
        return found["LastModified"]

    def has_folder(self, path: str) -> bool:
        """Tell whether an object lies below the path."""
        return next(self._listed(self._key(path, below=True), page_keys=1), None) is not None

    def folders_with(self, name: str) -> Iterator[str]:
        """Name the folders that have a folder of that name, among the first 10,000 objects."""
        listed = islice(self._listed(self._key(".", below=True)), _MOST_KNOWN)
        parts = (pin.path.split("/") for pin in listed)
        found = ("/".join(each[: each.index(name)]) for each in parts if name in each[:-1])
        return iter(dict.fromkeys(each or "." for each in found))

    @contextmanager
    def opened(self, pin: FilePin) -> Iterator[RangedObject]:
        """Open a pinned object; every read is a request for exactly its bytes."""
        if not pin.size and self.pin(pin.path) != pin:
            raise changed(pin)  # of an empty object no byte will be asked
        with RangedObject(partial(self._range, pin), pin.size) as file:
            yield file

    def _head(self, path: str) -> "HeadObjectOutputTypeDef | None":
        if {".", ".."} & set(path.split("/")):
            return None
        with self._asking():
            try:
                return self._client.head_object(Bucket=self._place.bucket, Key=self._key(path))
            except ClientError as refused:
                if status_of(refused) == 404:
                    return None
                raise

    def _range(self, pin: FilePin, first: int, last: int) -> bytes:
        with self._asking():
            try:
                answer = self._client.get_object(
                    Bucket=self._place.bucket,
                    Key=self._key(pin.path),
                    Range=f"bytes={first}-{last - 1}",
                    IfMatch=str(pin.version),
                )
            except ClientError as refused:
                if status_of(refused) in {404, 412, 416}:
                    raise changed(pin) from refused
                raise
            with closing(answer["Body"]) as body:
                if answer["ETag"] != pin.version:  # some stores do not know If-Match
                    raise changed(pin)
                if answer["ContentLength"] != last - first:
                    raise SourceError(f"{self._where} gives other bytes of {pin.path!r}")
                return self._received(body, last - first)

    def _received(self, body: Any, size: int) -> bytes:
        """Take the bytes as they come: botocore's own read has no end if they trickle."""
        received = bytearray()
        deadline = time.monotonic() + _RANGE_SECONDS
        while len(received) < size:
            part = body._raw_stream.read1(min(_RECEIVED_BYTES, size - len(received)))
            if not part or time.monotonic() > deadline:
                raise SourceUnavailable(f"{self._where} stops in the middle of an answer")
            received += part
        return bytes(received)

    def _matching(self, asked: str, suffixes: Sequence[str]) -> Iterator[FilePin]:
        pattern = asked.split("/")
        plain = next(n for n, part in enumerate(pattern) if WILD & set(part))
        start = self._key("/".join(pattern[:plain]) or ".", below=True)
        for pin in self._listed(start):
            parts = pin.path.split("/")
            depths = set(matching_depths(pattern, parts)) if is_shown(pin.path) else set()
            is_file = len(parts) in depths and pattern[-1] != ANY_FOLDERS
            if is_file or (depths and pin.path.endswith(tuple(suffixes))):
                yield pin

    def _listed(self, start: str, page_keys: int = 1000) -> Iterator[FilePin]:
        """Go through the objects whose key begins so, in the order of the store."""
        pages = iter(
            self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._place.bucket,
                Prefix=start,
                PaginationConfig={"PageSize": page_keys},
            )
        )
        while True:
            with self._asking():
                page = next(pages, None)
            if page is None:
                return
            for found in page.get("Contents", []):
                path = found["Key"][len(self._key(".", below=True)) :]
                if not path.endswith("/"):  # a folder's own marker
                    yield FilePin(path, found["Size"], found["ETag"])

    def _key(self, path: str, *, below: bool = False) -> str:
        """Give the key of a path, or what the keys below it begin with."""
        key = "/".join(part for part in (self._place.prefix, path) if part not in {"", "."})
        return f"{key}/" if below and key else key

    def _asking(self) -> AbstractContextManager[None]:
        return asking(self._where, self._place.bucket)

    @cached_property
    def _client(self) -> "S3Client":
        with self._asking():
            return s3_client(self._place, allow_link_local=self._allow_link_local)


def _shown(pins: Iterator[FilePin], start: int, suffixes: Sequence[str]) -> Iterator[FilePin]:
    """Leave out other suffixes, and names that are hidden below the folder that is asked for."""
    ends = tuple(suffixes)
    return (pin for pin in pins if pin.path.endswith(ends) and is_shown(pin.path[start:]))
