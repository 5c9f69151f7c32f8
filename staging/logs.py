"""Structured logs on standard error: one JSON object a line, secrets taken out last."""

import logging
import sys
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Any

import structlog

from staging.redaction import conceal, redacted

_log = structlog.get_logger(__name__)


def configure_logging(level: str, secrets: Iterable[str | None] = ()) -> None:
    """Log from `level` up as JSON lines with a UTC time; once a process, at its start.

    `secrets` are never logged.  What libraries log from `warning` up becomes such lines too.
    """
    conceal(secrets)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
            _redact,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    _take_over_libraries()


def log_crashes() -> None:
    """Log what ends a thread or the process, instead of printing it as it is."""
    sys.excepthook = _log_crash
    threading.excepthook = lambda given: _log_crash(
        given.exc_type, given.exc_value, given.exc_traceback
    )


def _redact(_logger: Any, _method: str, line: str | Any) -> str:
    return redacted(line)


class _Forwarding(logging.Handler):
    """Writes a library's record as one of our lines."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write it, whatever its arguments are."""
        try:
            _log.log(
                record.levelno, record.getMessage(), library=record.name, exc_info=record.exc_info
            )
        except Exception as wrong:  # noqa: BLE001  # as in logging's own handlers: it ends no program
            _log.warning("record_lost", library=record.name, error=type(wrong).__name__)


def _take_over_libraries() -> None:
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, _Forwarding)]:
        root.removeHandler(handler)
    root.addHandler(_Forwarding(logging.WARNING))


def _log_crash(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    _log.critical("crashed", exc_info=(kind, error, trace))
