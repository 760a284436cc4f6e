"""A name service that does not answer the callout, and fails at once for every other process, in the place of nscd.

The C library asks nscd first, if there is a socket, and waits five seconds for it. So a site without its directory
service hangs that long. Runs inside a chroot.
"""

from __future__ import annotations

import os
import socket
import struct

SOCKET = "/run/nscd/socket"


def main() -> None:
    """Serve until killed."""
    os.makedirs(os.path.dirname(SOCKET), exist_ok=True)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(SOCKET)
        os.chmod(SOCKET, 0o666)
        server.listen(64)
        held = []
        while True:
            client, _ = server.accept()
            if b"vomap-htcondor" in _asker(client):
                held.append(client)
            else:
                client.close()


def _asker(client: socket.socket) -> bytes:
    pid, _, _ = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as words:
            return words.read()
    except OSError:
        return b""


if __name__ == "__main__":
    main()
