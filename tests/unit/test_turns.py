"""Jobs that wait for a connection's sessions try in the order in which they came."""

from workflows.turns import Lines


def test_a_line_is_served_in_the_order_in_which_jobs_came():
    lines = Lines()

    def first_of(line):
        return [job for job in ("a", "b", "c") if lines.is_first(line, job)]

    assert lines.is_first("other", "c")
    assert first_of("line") == ["a"]
    lines.leave("line", "b")
    lines.leave("line", "a")
    assert first_of("line") == ["c"]
    lines.leave("line", "c")
    assert first_of("line") == ["a"]
