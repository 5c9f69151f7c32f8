"""The standard actions by the bytes of the published Flight.proto, written by protobuf itself."""

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from pyarrow import flight

from tests.contract.reading.shelf import rows

TABLE = rows(0, 100)
MESSAGES = {
    "Ticket": ["bytes ticket"],
    "Location": ["string uri"],
    "FlightDescriptor": ["enum type", "bytes cmd", "string* path"],
    "FlightEndpoint": [
        "Ticket ticket",
        "Location* location",
        "google.protobuf.Timestamp expiration_time",
        "bytes app_metadata",
    ],
    "FlightInfo": [
        "bytes schema",
        "FlightDescriptor flight_descriptor",
        "FlightEndpoint* endpoint",
        "int64 total_records",
        "int64 total_bytes",
        "bool ordered",
        "bytes app_metadata",
    ],
    "CancelFlightInfoRequest": ["FlightInfo info"],
    "CancelFlightInfoResult": ["enum status"],
    "RenewFlightEndpointRequest": ["FlightEndpoint endpoint"],
}
"""Of Flight.proto (Arrow 26): the fields in the order of their numbers, from 1 on."""
NOT_CANCELLABLE = 3
"""CANCEL_STATUS_NOT_CANCELLABLE; an enum is a varint, as an int32 is."""
_SCALARS = {"bytes": "TYPE_BYTES", "string": "TYPE_STRING", "bool": "TYPE_BOOL"}
_SCALARS |= {"int64": "TYPE_INT64", "enum": "TYPE_INT32"}


@pytest.fixture(scope="module")
def proto() -> dict[str, type[Message]]:
    """The messages as classes."""
    file = descriptor_pb2.FileDescriptorProto(
        name="Flight.proto", package="arrow.flight.protocol", syntax="proto3"
    )
    file.dependency.append("google/protobuf/timestamp.proto")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, field in enumerate(fields, 1):
            kind, field_name = field.split()
            message.field.append(described(kind, field_name, number))
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(Timestamp.DESCRIPTOR.file.serialized_pb)
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"arrow.flight.protocol.{name}")
        )
        for name in MESSAGES
    }


def described(kind: str, name: str, number: int) -> descriptor_pb2.FieldDescriptorProto:
    field = descriptor_pb2.FieldDescriptorProto
    described = field(name=name, number=number, label=field.LABEL_OPTIONAL)
    if kind.endswith("*"):
        kind, described.label = kind[:-1], field.LABEL_REPEATED
    if kind in _SCALARS:
        described.type = getattr(field, _SCALARS[kind])
    else:
        described.type = field.TYPE_MESSAGE
        described.type_name = f".{kind}" if "." in kind else f".arrow.flight.protocol.{kind}"
    return described


@pytest.fixture
def info(reader, shelf, proto) -> Message:
    """What GetFlightInfo gives of a job, as protobuf reads it."""
    descriptor = flight.FlightDescriptor.for_path(shelf.stage(TABLE, url_ttl_seconds=60))
    return proto["FlightInfo"].FromString(reader.get_flight_info(descriptor).serialize())


def act(reader, name: str, message: Message) -> bytes:
    [result] = reader.do_action((name, message.SerializeToString()))
    return result.body.to_pybytes()


def test_an_endpoint_is_renewed(reader, proto, info, location):
    asked = proto["RenewFlightEndpointRequest"](endpoint=info.endpoint[0])

    renewed = proto["FlightEndpoint"].FromString(act(reader, "RenewFlightEndpoint", asked))

    until = renewed.expiration_time.ToDatetime(UTC)
    assert timedelta(seconds=50) < until - datetime.now(UTC) <= timedelta(seconds=60)
    assert [each.uri for each in renewed.location] == [location]
    assert reader.do_get(flight.Ticket(renewed.ticket.ticket)).read_all().equals(TABLE)


def test_a_flight_is_not_cancelled(reader, proto, info):
    asked = proto["CancelFlightInfoRequest"](info=info)

    answer = proto["CancelFlightInfoResult"].FromString(act(reader, "CancelFlightInfo", asked))

    assert answer.status == NOT_CANCELLABLE


def test_a_flight_has_the_fields_of_the_standard(info, location):
    assert (info.total_records, info.ordered, len(info.endpoint)) == (100, True, 1)
    assert [each.uri for each in info.endpoint[0].location] == [location]
    assert info.schema
