#!/usr/bin/env python3
"""A bridge to a dispatch system: a call that is marked genuine becomes an incident there.

    WEBHOOK_SECRET=whsec_… python3 bridge.py 127.0.0.1:9100 https://dispatch.example/incidents

It takes siaga112's webhook (`[events.webhooks.bridge]` with `types = ["call.marked"]`), checks its signature
as Standard Webhooks say (https://www.standardwebhooks.com/), and posts the incident. Only when the dispatch
system has taken it, it says so to siaga112, which else tells it again: no report is lost, and the call's id
lets the dispatch system know one that comes twice. An example: put your own system's words into `incident`.
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOLERANCE_SECONDS = 5 * 60
LARGEST = 100_000


def genuine(secret: str, headers: Any, body: bytes) -> bool:
    """Say whether siaga112 has signed this, and lately."""
    sent, stamp = headers.get("webhook-signature", ""), headers.get("webhook-timestamp", "")
    if not stamp.isascii() or not stamp.isdigit() or abs(time.time() - int(stamp)) > TOLERANCE_SECONDS:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    text = f"{headers.get('webhook-id', '')}.{stamp}.".encode() + body
    good = "v1," + base64.b64encode(hmac.digest(key, text, hashlib.sha256)).decode()
    return any(hmac.compare_digest(one, good) for one in sent.split())


def incident(event: dict[str, Any]) -> dict[str, Any] | None:
    """Say it in the dispatch system's words; None for what is no incident."""
    data = event["data"]
    if event["type"] != "id.siaga112.call.marked" or data["mark"] != "genuine":
        return None
    return {
        "reference": event["subject"],
        "reported_at": event["time"],
        "caller": data.get("caller"),
        "kind": data.get("kind") or "other",
        "district": data.get("district"),
        "taken_by": data.get("operator"),
    }


class Bridge(BaseHTTPRequestHandler):
    """Takes webhooks."""

    secret = ""
    dispatch = ""

    def do_POST(self) -> None:
        """Take one: 204 when the dispatch system has it, or it is none of ours to tell."""
        length = min(int(self.headers.get("Content-Length") or 0), LARGEST)
        body = self.rfile.read(length)
        if not genuine(self.secret, self.headers, body):
            self._answer(401)
            return
        found = incident(json.loads(body))
        self._answer(204 if found is None or self._opened(found) else 502)

    def _opened(self, found: dict[str, Any]) -> bool:
        headers = {"Content-Type": "application/json", "Idempotency-Key": found["reference"]}
        request = urllib.request.Request(self.dispatch, json.dumps(found).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=8):
                return True
        except OSError as error:
            print(f"{self.dispatch}: {error}; siaga112 tells it again", file=sys.stderr)
            return False

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


def main() -> None:
    """Serve for ever."""
    host, _, port = sys.argv[1].rpartition(":")
    Bridge.secret, Bridge.dispatch = os.environ["WEBHOOK_SECRET"], sys.argv[2]
    ThreadingHTTPServer((host, int(port)), Bridge).serve_forever()


if __name__ == "__main__":
    main()
