"""The programs inside ARC's chroot, on its own Python: the issuers of the tokens, and the clients.

`issuers` serves every issuer's keys on loopback. `ask` reads requests as one JSON document on standard input, sends
each on a connection of its own, and prints the answers as another.
"""

from __future__ import annotations

import http.client
import json
import ssl
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

STATE = Path("/root/e2e")
CE, CE_PORT, ISSUERS_PORT = "ce.example", 4443, 443
SECONDS = 120.0


def main() -> None:
    """Do what the first word says."""
    if sys.argv[1] == "issuers":
        serve_keys()
    else:
        asked = json.load(sys.stdin)
        with ThreadPoolExecutor(asked["at_a_time"]) as pool:
            json.dump(list(pool.map(answer, asked["requests"])), sys.stdout)


def serve_keys() -> None:
    """Answer as any issuer whose name leads here."""
    server = ThreadingHTTPServer(("127.0.0.1", ISSUERS_PORT), Issuer)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(STATE / "host.pem", STATE / "host.key")
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


class Issuer(BaseHTTPRequestHandler):
    """All issuers. They have the same key, so that the server need not distinguish them."""

    def do_GET(self) -> None:
        """Answer with the keys, or with the document that says where they are."""
        if self.path == "/keys":
            body = (STATE / "keys.json").read_bytes()
        else:
            body = json.dumps({"jwks_uri": f"https://{self.headers['Host']}/keys"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """Ask the CE for one thing, with a token or a certificate or both or neither, and return what it says."""
    tls = ssl.create_default_context(cafile=str(STATE / "ca.pem"))
    if asked["certificate"]:
        tls.load_cert_chain(STATE / "user.pem", STATE / "user.key")
    headers = {"Accept": "application/json", "Content-Type": "application/rsl"}
    if asked["token"] is not None:
        headers["Authorization"] = f"Bearer {minted(asked['token'], asked['padded'])}"
    connection = http.client.HTTPSConnection(CE, CE_PORT, timeout=SECONDS, context=tls)
    try:
        connection.request("POST", "/arex/rest/1.0/jobs?action=new", asked["job"], headers)
        reply = connection.getresponse()
        return {"status": reply.status, "reason": reply.reason, "body": reply.read().decode()}
    finally:
        connection.close()


def minted(claims: dict[str, Any], length: int) -> str:
    """Return a token with these claims, valid for an hour, and brought to this length if it is shorter."""
    now = int(time.time())
    claims = {"iat": now, "nbf": now, "exp": now + 3600, "jti": str(uuid.uuid4()), **claims}
    missing = length - len(_signed(claims))
    return _signed({**claims, "padding": "x" * (missing * 3 // 4)}) if missing > 0 else _signed(claims)


def _signed(claims: dict[str, Any]) -> str:
    import jwt

    payload = json.dumps(claims, ensure_ascii=False).encode()
    return jwt.api_jws.encode(payload, (STATE / "token.key").read_bytes(), "RS256", {"kid": "e2e"})


if __name__ == "__main__":
    main()
