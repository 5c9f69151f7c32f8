"""Wrap and unwrap the standard actions' messages, which hold one field with the number 1.

`RenewFlightEndpointRequest.endpoint`, `CancelFlightInfoRequest.info` and
`CancelFlightInfoResult.status` of Flight.proto; pyarrow serialises what is inside them.  The
encoding is https://protobuf.dev/programming-guides/encoding/.
"""

from staging.core.errors import InvalidValue

_FIELD_1_VARINT = b"\x08"
_FIELD_1_BYTES = b"\x0a"
NOT_CANCELLABLE = _FIELD_1_VARINT + b"\x03"
"""CancelFlightInfoResult{status: CANCEL_STATUS_NOT_CANCELLABLE}."""


def wrap(inner: bytes) -> bytes:
    """Give the message whose field 1 is the inner message."""
    return _FIELD_1_BYTES + _varint(len(inner)) + inner


def unwrap(message: bytes) -> bytes:
    """Give the inner message; raises InvalidValue unless the message is field 1 and no more."""
    length, start = _read_varint(message, 1)
    if message[:1] != _FIELD_1_BYTES or start + length != len(message):
        raise InvalidValue("the action's body is not its standard message")
    return message[start:]


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(encoded) + bytes([number])


def _read_varint(message: bytes, start: int) -> tuple[int, int]:
    number = 0
    for place, byte in enumerate(message[start : start + 5]):
        number |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return number, start + place + 1
    return 0, -1
