"""The clients of ARC, inside its chroot, on its own Python.

Reads {"clients": claims of a token for each, "each": requests} as JSON on standard input. Each client is a process of
its own, which asks one thing after the other, always on a new TLS connection. Prints {"seconds": from the first
request to the last answer, "statuses": how often each was answered} as JSON.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from e2e.arc_inside import CE, CE_PORT, SECONDS, STATE, minted


def main() -> None:
    """Let all clients ask at once."""
    asked = json.load(sys.stdin)
    tokens = [minted(claims, 0) for claims in asked["clients"]]
    with ProcessPoolExecutor(len(tokens)) as clients:
        # The processes are there before the first of them begins.
        list(clients.map(_wait, [0.1] * len(tokens)))
        spans = list(clients.map(ask, tokens, [asked["each"]] * len(tokens)))
    seconds = max(span["end"] for span in spans) - min(span["begin"] for span in spans)
    statuses = Counter(status for span in spans for status in span["statuses"])
    json.dump({"seconds": seconds, "statuses": statuses}, sys.stdout)


def ask(token: str, requests: int) -> dict[str, Any]:
    """Ask so often for the list of the bearer's jobs, and return begin, end and the answers."""
    tls = ssl.create_default_context(cafile=str(STATE / "ca.pem"))
    # No `Connection: close`: where A-REX 7.0.0 is the first to close, many handshakes of later connections fail.
    headers = {"Accept": "application/json", "Authorization": f"Bearer {token}"}
    begin = time.monotonic()
    statuses = [_answered(tls, headers) for _ in range(requests)]
    return {"begin": begin, "end": time.monotonic(), "statuses": statuses}


def _answered(tls: ssl.SSLContext, headers: dict[str, str]) -> int:
    connection = http.client.HTTPSConnection(CE, CE_PORT, timeout=SECONDS, context=tls)
    try:
        connection.connect()
        _acknowledge_at_once(connection.sock)
        connection.request("GET", "/arex/rest/1.0/jobs", headers=headers)
        _acknowledge_at_once(connection.sock)
        reply = connection.getresponse()
        reply.read()
        return reply.status
    finally:
        connection.close()


def _acknowledge_at_once(connection: socket.socket) -> None:
    """Do not let A-REX wait: it sends an answer in two parts, the second when the first is acknowledged, in 40 ms."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _wait(seconds: float) -> None:
    time.sleep(seconds)


if __name__ == "__main__":
    main()
