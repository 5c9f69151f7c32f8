"""What no other try can mend fails a job, and each cause has a patience of its own."""

import uuid
from dataclasses import replace

import pytest
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.testing import ActivityEnvironment

from staging.core.errors import InvalidValue, SourceUnavailable, TooBusy
from workflows.edge import Tries, may_fail_the_job, must_succeed


class Steps:
    """Steps of a job that end as they are told to."""

    @may_fail_the_job
    def read(self, error):
        if error is not None:
            raise error

    @must_succeed
    def end(self, error):
        raise error


@pytest.fixture
def tried():
    """Try a step of one workflow; give how it failed, None if it did not."""
    environment = ActivityEnvironment()
    info = environment.info
    environment.info = replace(info, workflow_id=str(uuid.uuid4()), attempt=99)

    def once(step, error):
        try:
            environment.run(step, error)
        except ApplicationError as failed:
            return failed
        return None

    return once


def is_final(tried, error):
    return tried(Steps().read, error).non_retryable


def test_the_patience_with_a_source_is_not_used_up_by_waiting_for_others(tried):
    assert not any(is_final(tried, TooBusy("no place")) for _ in range(20))

    ends = [is_final(tried, SourceUnavailable("no answer")) for _ in range(5)]
    assert ends == [False, False, False, False, True]


def test_a_step_that_succeeds_has_all_its_patience_again(tried):
    for _ in range(3):
        assert not any(is_final(tried, SourceUnavailable("no answer")) for _ in range(4))
        assert tried(Steps().read, None) is None


def test_what_nobody_expected_is_tried_eight_times_and_named_by_its_class_alone(tried):
    failed = [tried(Steps().read, ValueError("a secret")) for _ in range(8)]

    assert [each.non_retryable for each in failed] == [False] * 7 + [True]
    assert "ValueError" in str(failed[0])
    assert "a secret" not in str(failed[0])


def test_what_another_try_cannot_help_is_final_at_once_unless_the_job_must_end(tried):
    assert is_final(tried, InvalidValue("wrong"))
    assert not tried(Steps().end, InvalidValue("wrong")).non_retryable


def test_a_worker_that_stops_never_fails_a_job(tried):
    for _ in range(20):
        stopped = tried(Steps().read, CancelledError("stopping"))
        assert (stopped.type, stopped.non_retryable) == ("orchestration_unavailable", False)


def test_tries_of_the_steps_that_failed_longest_ago_are_forgotten_first():
    tries = Tries(most_steps=2)
    old, new, newest = (("job", name) for name in ("old", "new", "newest"))

    assert [tries.fail(each, "code") for each in (old, new, old, newest)] == [1, 1, 2, 1]
    assert tries.fail(old, "code") == 3
    assert tries.fail(new, "code") == 1
