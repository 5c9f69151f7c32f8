"""Refuse a snapshot whose data files are not all of the truth: rows of them are deleted.

Which deletes apply to which files: https://iceberg.apache.org/spec/#scan-planning
"""

from collections.abc import Iterable

from pyiceberg.manifest import DataFileContent, ManifestEntry
from pyiceberg.table.delete_file_index import DeleteFileIndex

from staging.core.errors import SourceUnsupported


def check_row_deletes(
    name: str, deletes: Iterable[ManifestEntry], entries: Iterable[ManifestEntry]
) -> None:
    """Raise SourceUnsupported if a position or equality delete applies to one of the data files.

    Deletes that a compaction left behind, of older files, are passed over.  A deletion vector is
    a position delete; without bounds it is taken to apply to all files of its partition.
    """
    index = DeleteFileIndex()
    newest_equality = 0
    for each in deletes:
        if each.data_file.content == DataFileContent.EQUALITY_DELETES:
            newest_equality = max(newest_equality, each.sequence_number or 0)
        else:
            index.add_delete_file(each, each.data_file.partition)
    for each in entries:
        sequence, file = each.sequence_number or 0, each.data_file
        if sequence < newest_equality or index.for_data_file(sequence, file, file.partition):
            raise SourceUnsupported(
                f"{name!r} has deleted rows in its data files (merge on read); "
                "rewrite the files without them"
            )
