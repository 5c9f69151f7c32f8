"""A snapshot as the catalog keeps it, for workers of this build and of the one before."""

from staging.core.manifest import Snapshot, SnapshotClass

EXPORTS = ("0000000A-00000003-1@0123456789abcdef", "0000000B-00000003-1")


def test_a_snapshot_is_read_as_it_was_written():
    for snapshot in (
        Snapshot.exported(EXPORTS),
        Snapshot(SnapshotClass.PINNED, "7"),
        Snapshot(SnapshotClass.SINGLE_READER),
    ):
        assert Snapshot.from_json(snapshot.to_json()) == snapshot


def test_the_build_before_finds_the_names_where_it_looks_for_them():
    stored = Snapshot.exported(EXPORTS).to_json()

    assert stored["exports"] == ["0000000A-00000003-1", "0000000B-00000003-1"]
    assert stored["value"] == "0000000A-00000003-1"


def test_what_the_build_before_wrote_is_read():
    stored = {"class": "exported", "value": "a", "exports": ["a", "b@0123456789abcdef"]}

    assert Snapshot.from_json(stored).exports == ("a", "b@0123456789abcdef")
