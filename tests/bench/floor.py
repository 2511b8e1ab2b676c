"""A server that reads calls and answers with as many bytes as it is asked for, without looking at anything else.

What it takes to call it is what the client, the kernel and a Python socket take: the floor under all other figures.
The path of a call is /ANSWER_BYTES/VERB.
"""

import socket
import threading
from typing import Final

_BUFFER: Final = 1024 * 1024
_END_OF_HEAD: Final = b"\r\n\r\n"


def serve(connection: socket.socket) -> None:
    """Answer one connection's calls until it is closed."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer = bytearray(_BUFFER)
    answers: dict[bytes, bytes] = {}
    while received := connection.recv_into(buffer):
        # The client sends a call in one piece, and the next one only after the answer.
        end = buffer.find(_END_OF_HEAD, 0, received)
        head = bytes(buffer[:end])
        rest = int(head.partition(b"Content-Length: ")[2].partition(b"\r")[0]) + end + len(_END_OF_HEAD) - received
        while rest > 0:
            rest -= connection.recv_into(buffer)
        wanted = head.split(b"/", 2)[1]
        if wanted not in answers:
            answers[wanted] = _answer(int(wanted))
        connection.sendall(answers[wanted])


def _answer(length: int) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length
    return head + b" " * length


def main() -> None:
    """Listen on loopback, say where, and serve until ended."""
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)  # noqa: T201 - how its starter learns the port
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
