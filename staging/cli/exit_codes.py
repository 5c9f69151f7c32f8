"""The exit code of every failure, as one table; scripts rely on it."""

from enum import IntEnum

from staging.core import errors


class ExitCode(IntEnum):
    """What a command's exit code means."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    NOT_FOUND = 3
    WRONG_STATE = 4
    IDENTITY = 5
    UNAVAILABLE = 6
    JOB_FAILED = 7


MEANING = {
    ExitCode.OK: "done",
    ExitCode.FAILURE: "failed",
    ExitCode.USAGE: "the command line or a value in it is not valid",
    ExitCode.NOT_FOUND: "no such job, chunk, connection, part or node",
    ExitCode.WRONG_STATE: "the state does not allow it",
    ExitCode.IDENTITY: "the identity is missing, malformed or refused",
    ExitCode.UNAVAILABLE: "a part is down, or it took too long",
    ExitCode.JOB_FAILED: "the job ended, but failed, expired or was cancelled",
}

BY_ERROR: dict[type[errors.StagingError], ExitCode] = {
    errors.InvalidValue: ExitCode.USAGE,
    errors.BadRequest: ExitCode.USAGE,
    errors.BadIdentity: ExitCode.IDENTITY,
    errors.BadTicket: ExitCode.IDENTITY,
    errors.NotFound: ExitCode.NOT_FOUND,
    errors.StateConflict: ExitCode.WRONG_STATE,
    errors.Gone: ExitCode.WRONG_STATE,
    errors.SourceUnavailable: ExitCode.UNAVAILABLE,
    errors.Unavailable: ExitCode.UNAVAILABLE,
    errors.StagingError: ExitCode.FAILURE,
}

BY_STATUS = {
    400: ExitCode.USAGE,
    401: ExitCode.IDENTITY,
    403: ExitCode.IDENTITY,
    404: ExitCode.NOT_FOUND,
    409: ExitCode.WRONG_STATE,
    410: ExitCode.WRONG_STATE,
    413: ExitCode.USAGE,
    415: ExitCode.USAGE,
    422: ExitCode.USAGE,
    429: ExitCode.UNAVAILABLE,
    503: ExitCode.UNAVAILABLE,
}
"""Exit codes of the API's answers; `bad_identity` (400) is IDENTITY."""


def exit_code_of(error: errors.StagingError) -> ExitCode:
    """Return the exit code of an error: that of its nearest class in the table."""
    return next(BY_ERROR[each] for each in type(error).__mro__ if each in BY_ERROR)


def exit_code_of_problem(status: int, code: str | None = None) -> ExitCode:
    """Return the exit code of a problem that the API answered."""
    if code == errors.BadIdentity.code:
        return ExitCode.IDENTITY
    return BY_STATUS.get(status, ExitCode.FAILURE)
