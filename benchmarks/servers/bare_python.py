"""A minimal server in Python, like `floor.c`: one epoll loop that calls `send` on each viewer's socket.

    python -m benchmarks.servers.bare_python PORT SEC-WEBSOCKET-ACCEPT

It has no asyncio, no parser and no store. The processor time that liveserver needs more than this server is for
liveserver's own work. The time that this server needs more than `floor.c` is for the Python interpreter.
"""

from __future__ import annotations

import resource
import socket
import sys
from select import EPOLLIN, epoll

REQUEST_MAX = 1 << 20
ANSWER = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "


def main(port: int, accept: str) -> None:
    """Serve on this port until the process is killed. `accept`: the header Sec-WebSocket-Accept of every handshake."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    listener = socket.create_server(("127.0.0.1", port), backlog=4096)
    listener.setblocking(False)
    poll = epoll()
    poll.register(listener, EPOLLIN)
    sockets: dict[int, socket.socket] = {}
    viewers: dict[int, socket.socket] = {}
    held = b""
    while True:
        for number, _ in poll.poll():
            if number == listener.fileno():
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sockets[connection.fileno()] = connection
                poll.register(connection, EPOLLIN)
                continue
            connection = sockets[number]
            data = connection.recv(REQUEST_MAX)
            if not data:
                poll.unregister(number)
                viewers.pop(number, None)
                sockets.pop(number).close()
            elif data.startswith(b"GET"):
                connection.sendall(f"{ANSWER}{accept}\r\n\r\n".encode())
                viewers[number] = connection
            else:
                held += data
                head, end, body = held.partition(b"\r\n\r\n")
                if end and len(body) >= int(head.lower().partition(b"content-length:")[2].split()[0]):
                    held = b""
                    for send in [viewer.send for viewer in viewers.values()]:
                        send(body)
                    connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
