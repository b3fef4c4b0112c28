"""Load for bench/payments.py, in a process of its own: prepared requests over kept-alive connections, as fast as
answers come or at a given rate. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import selectors
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path


class Connection:
    """One kept-alive connection with at most one request on its way."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.began = 0.0

    def send(self, request: bytes, began: float) -> None:
        self.began, self.received = began, b""
        self.socket.sendall(request)

    def read_status(self) -> int | None:
        """Read what is there; the status once the whole answer has come."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionResetError("the server closed the connection")
        self.received += data
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found:
            return None
        lower = head.lower()
        start = lower.index(b"content-length:") + 15
        length = int(lower[start:].split(b"\r\n", 1)[0])
        return int(head[9:12]) if len(body) >= length else None


def read_requests(path: Path) -> Iterator[bytes]:
    """Requests as `length, octets`."""
    data, place = path.read_bytes(), 0
    while place < len(data):
        (size,) = struct.unpack_from("!I", data, place)
        yield data[place + 4 : place + 4 + size]
        place += 4 + size


def run(
    requests: list[bytes], address: tuple[str, int], connections: int, warm_up: float, seconds: float, rate: float
) -> dict[str, object]:
    """Serve all connections until the time or the requests are over; what is answered after the warm-up counts, and
    "answered" says how much was answered in all.

    With a `rate` (requests a second, 0: as fast as answers come) a request's time begins when it was due, also where
    it found no connection free.
    """
    selector = selectors.DefaultSelector()
    idle = [Connection(address) for _ in range(connections)]
    for connection in idle:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    latencies: dict[int, list[float]] = {}
    answered: Counter[int] = Counter()
    sent, busy, last = 0, 0, 0.0
    began = time.perf_counter()
    ends_at = began + warm_up + seconds
    while True:
        now = time.perf_counter()
        while idle and sent < len(requests) and now < ends_at:
            due_at = began + sent / rate if rate else now
            if due_at > now:
                break
            idle.pop().send(requests[sent], due_at)
            sent, busy = sent + 1, busy + 1
        if not busy and (now >= ends_at or sent == len(requests)):
            break
        for key, _ in selector.select(0.001 if rate else 1):
            connection = key.data
            status = connection.read_status()
            if status is None:
                continue
            now = time.perf_counter()
            answered[status] += 1
            if now >= began + warm_up and connection.began < ends_at:
                latencies.setdefault(status, []).append(now - connection.began)
                last = now
            idle.append(connection)
            busy -= 1
    took = max(last - began - warm_up, 1e-9)
    return {
        "seconds": took,
        "sent": sent,
        "answered": answered,
        "cpu": time.process_time(),
        "statuses": {
            str(status): {"count": len(found), "p50": _share(found, 0.5), "p99": _share(found, 0.99)}
            for status, found in sorted(latencies.items())
        },
    }


def _share(found: list[float], share: float) -> float:
    """Milliseconds."""
    return sorted(found)[min(len(found) - 1, int(len(found) * share))] * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("requests", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--warm-up", type=float, default=1.0)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rate", type=float, default=0.0)
    o = parser.parse_args()
    found = run(list(read_requests(o.requests)), ("127.0.0.1", o.port), o.connections, o.warm_up, o.seconds, o.rate)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
