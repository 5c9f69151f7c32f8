"""What a Flight caller is told of an error: its code and its words, or nothing."""

import traceback

import pyarrow as pa
import pytest
from pyarrow import flight

from flight_server.errors import (
    INTERNAL,
    Invalid,
    NotFound,
    SchemaRefused,
    guarded,
    hide_stacks,
    refusal,
    without_flight_errors,
)
from staging.core import errors


class Broken:
    """Methods as a service has them."""

    @guarded
    def raise_(self, error: Exception) -> None:
        raise error

    @without_flight_errors
    @guarded
    def get_schema(self, error: Exception) -> None:
        raise error


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (
            errors.UnknownJob("there is no job 12"),
            pa.ArrowKeyError,
            "not_found: there is no job 12",
        ),
        (errors.Gone("it is gone", reason="expired"), pa.ArrowKeyError, "gone: it is gone"),
        (errors.TooBusy("wait"), flight.FlightUnavailableError, "too_busy: wait"),
        (errors.ForeignTicket("no"), flight.FlightUnauthorizedError, "foreign_ticket: no"),
        (errors.ExpiredTicket("no"), flight.FlightUnauthenticatedError, "expired_ticket: no"),
        (errors.BadIdentity("no"), flight.FlightUnauthenticatedError, "bad_identity: no"),
        (
            errors.UnknownColumn(errors=[errors.FieldError("#/columns", "no such")]),
            pa.ArrowInvalid,
            "unknown_column: #/columns: no such",
        ),
        (
            errors.StorageUnavailable("get 1/2/3: http://10.0.0.1 does not answer"),
            flight.FlightUnavailableError,
            "storage_unavailable: The object store does not answer.",
        ),
        (errors.ObjectConflict("1/2/3.parquet"), flight.FlightInternalError, INTERNAL),
    ],
)
def test_each_error_of_the_tree_has_its_status_and_words(error, kind, text):
    told = refusal(error)

    assert (isinstance(told, kind), str(told)) == (True, text)


def test_a_text_is_cut_by_its_bytes_and_between_letters():
    kept, cut = refusal(errors.TooBusy("é" * 495)), refusal(errors.TooBusy("é" * 496))

    assert (str(kept), str(cut)) == (f"too_busy: {'é' * 495}", f"too_busy: {'é' * 495} …")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("secret"),
        KeyError("secret"),
        NotImplementedError("secret"),
        pa.ArrowInvalid("secret"),
        pa.ArrowKeyError("secret"),
        OSError(5, "secret"),
        RuntimeError(),
    ],
    ids=repr,
)
def test_of_a_foreign_exception_nothing_is_told(error):
    with pytest.raises(flight.FlightInternalError) as told:
        Broken().raise_(error)

    assert str(told.value) == INTERNAL
    assert told.value.__suppress_context__


def test_an_error_of_the_tree_is_told_without_what_caused_it():
    with pytest.raises(NotFound, match="there is no job 12") as told:
        Broken().raise_(errors.UnknownJob("there is no job 12"))

    assert told.value.__suppress_context__


def test_a_method_whose_flight_errors_are_lost_raises_their_words_as_an_os_error():
    for error, text in (
        (errors.CatalogUnavailable("db"), "catalog_unavailable: .*does not answer"),
        (RuntimeError("secret"), INTERNAL),
    ):
        with pytest.raises(SchemaRefused, match=text) as told:
            Broken().get_schema(error)
        assert told.value.__suppress_context__
    with pytest.raises(NotFound, match="there is no job 12"):
        Broken().get_schema(errors.UnknownJob("there is no job 12"))


def test_only_refusals_are_formatted_without_their_stack():
    hide_stacks()
    hide_stacks()
    refused, foreign = NotFound("no job 12"), ValueError("foreign")

    assert traceback.format_exception(refused) == ["NotFound"]
    assert traceback.format_exception(SchemaRefused("not yet")) == ["SchemaRefused"]
    assert traceback.format_exception(Invalid, Invalid("x"), None) == ["Invalid"]
    assert traceback.format_exception(foreign) == ["ValueError: foreign\n"]
