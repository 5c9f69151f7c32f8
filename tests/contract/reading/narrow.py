"""A Flight client that takes in little that it was not asked for."""

from pyarrow import flight


def connect(location: str) -> flight.FlightClient:
    """Connect without what lets gRPC hold a stream that nobody reads.

    It widens its window as fast as rows come, up to some hundred MB, so that a stream may end
    before its second batch is asked for.
    """
    return flight.connect(location, generic_options=[("grpc.http2.bdp_probe", 0)])
