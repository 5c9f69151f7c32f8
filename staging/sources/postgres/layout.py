"""Check that the stored rows are still where the snapshot saw them.

TRUNCATE and rewrites (VACUUM FULL, CLUSTER, ALTER TABLE) put a new file in place of a table's old
one.  A snapshot does not protect from that: a truncated table looks empty to it, and rows that
moved are in other pages than those planned.  So every relation that a read locked must still
have the file that the snapshot's own catalogue names, and partitions must still be the same.
"""

UNCHANGED = """
SELECT NOT EXISTS (
    SELECT FROM pg_locks l LEFT JOIN pg_class c ON c.oid = l.relation
    WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.relation >= 16384
    AND CASE
        WHEN c.oid IS NULL THEN pg_get_indexdef(l.relation) IS NULL
        WHEN c.relkind IN ('r', 'm', 't')
            THEN c.relfilenode IS DISTINCT FROM pg_relation_filenode(c.oid)
        WHEN c.relkind = 'p' THEN EXISTS (
            (SELECT relid::oid FROM pg_partition_tree(c.oid) WHERE level = 1
             EXCEPT SELECT inhrelid FROM pg_inherits WHERE inhparent = c.oid)
            UNION ALL
            (SELECT inhrelid FROM pg_inherits WHERE inhparent = c.oid
             EXCEPT SELECT relid FROM pg_partition_tree(c.oid) WHERE level = 1))
        ELSE false
    END
) AS unchanged
"""
"""True if so; asked in the read's own transaction, while its locks stand."""
