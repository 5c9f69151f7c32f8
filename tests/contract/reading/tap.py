"""A tap on the wire to a server: it counts connections, can cut and hold what comes back."""

import contextlib
import socket
import threading


class Tap:
    """Passes bytes on between callers and a port of this machine."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self.port: int = self._server.getsockname()[1]
        self.open = 0
        """Connections that are open now."""
        self.connections = 0
        self.given_bytes = 0
        """Bytes that came back, over all connections."""
        self.cut_after: int | None = None
        """Cut a connection that gave so many bytes."""
        self.hold_after: int | None = None
        """Hold what a connection gives beyond so many bytes, until `flows` is set."""
        self.flows = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._server.accept()
                threading.Thread(target=self._pass_on, args=(caller,), daemon=True).start()

    def _pass_on(self, caller: socket.socket) -> None:
        with caller, socket.create_connection(("127.0.0.1", self._target)) as target:
            with self._lock:
                self.open += 1
                self.connections += 1
            there = threading.Thread(target=_copy, args=(caller, target), daemon=True)
            there.start()
            given = _copy(target, caller, self)
            there.join()
            with self._lock:
                self.given_bytes += given
                self.open -= 1


def _copy(source: socket.socket, sink: socket.socket, tap: Tap | None = None) -> int:
    """Copy until one of the two is closed, or the tap cuts it; then both are."""
    given = 0
    with contextlib.suppress(OSError):
        while not _is_cut(tap, given) and (piece := source.recv(65536)):
            if tap is not None and tap.hold_after is not None and given >= tap.hold_after:
                tap.flows.wait()
            sink.sendall(piece)
            given += len(piece)
    for each in (source, sink):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
    return given


def _is_cut(tap: Tap | None, given: int) -> bool:
    return tap is not None and tap.cut_after is not None and given >= tap.cut_after
