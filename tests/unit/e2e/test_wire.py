"""A wire lets everything through until it is cut."""

import socket
import threading
from collections.abc import Iterator

import pytest
from tests.e2e.wire import Wire

from mooring.sandbox.processes import LOOPBACK, free_ports


@pytest.fixture
def echo() -> Iterator[int]:
    """Give the port of a server that gives back what it gets."""
    with socket.create_server((LOOPBACK, 0)) as server:
        thread = threading.Thread(target=_serve, args=(server,))
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def _serve(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_answer, args=(connection,)).start()


def _answer(connection: socket.socket) -> None:
    with connection:
        try:
            while data := connection.recv(100):
                connection.sendall(data)
        except ConnectionError:
            return


def call(wire: Wire) -> socket.socket:
    """Connect through a wire."""
    return socket.create_connection((LOOPBACK, wire.port), timeout=10)


def wire_to(*ports: int) -> Wire:
    """Give a wire that leads to one of these ports."""
    return Wire(free_ports(["wire"], taken=[])["wire"], to=lambda: ports)


def has_ended(connection: socket.socket) -> bool:
    """Wait until a connection brings something; whether that is its end."""
    try:
        return connection.recv(100) == b""
    except ConnectionError:
        return True


def test_what_is_sent_comes_back(echo: int) -> None:
    """Both directions are forwarded, for several connections at a time."""
    with wire_to(echo) as wire, call(wire) as one, call(wire) as other:
        for connection in (one, other):
            connection.sendall(b"hello")
        assert [one.recv(100), other.recv(100)] == [b"hello", b"hello"]


def test_a_cut_ends_connections_and_lets_new_ones_through(echo: int) -> None:
    """Whoever was connected is told at once; whoever comes then is not held."""
    with wire_to(echo) as wire, call(wire) as connection:
        connection.sendall(b"hello")
        assert connection.recv(100) == b"hello"

        assert wire.cut() == 1

        assert has_ended(connection)
        with call(wire) as again:
            again.sendall(b"hello")
            assert again.recv(100) == b"hello"


def test_nothing_passes_a_wire_that_is_down(echo: int) -> None:
    """New connections end as well, until it is up again."""
    with wire_to(echo) as wire:
        with wire.down(), call(wire) as connection:
            assert has_ended(connection)
        with call(wire) as connection:
            connection.sendall(b"hello")
            assert connection.recv(100) == b"hello"


def test_without_anybody_behind_it_a_connection_ends() -> None:
    """A Service without ready pods, or a pod that does not listen, answers nothing."""
    closed = free_ports(["closed"], taken=[])["closed"]
    for wire in (wire_to(), wire_to(closed)):
        with wire, call(wire) as connection:
            assert has_ended(connection)
