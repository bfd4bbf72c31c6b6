#!/usr/bin/env python3
"""Follow what happens at a centre, and go on where you were: needs nothing but Python.

    SIAGA112_TOKEN=s112_… python3 follow.py https://siaga.example last-event-id.txt

Each event is printed as one line of JSON. Its id is kept in the file, once it is printed: after a break, of
this program or of the console, nothing is missed and nothing comes twice.
"""

import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAUSE_SECONDS = 2
SILENCE_SECONDS = 60
"""The console says something every 15 s; after so long the line is dead."""


def events(console: str, token: str, last: str) -> Iterator[dict[str, Any]]:
    """Give events after the last one, until the connection ends."""
    headers = {"Authorization": f"Bearer {token}", **({"Last-Event-ID": last} if last else {})}
    request = urllib.request.Request(f"{console}/api/v1/events", headers=headers)
    with urllib.request.urlopen(request, timeout=SILENCE_SECONDS) as answer:
        for line in answer:
            if line.startswith(b"data: "):
                yield json.loads(line[6:])


def main() -> None:
    """Follow for ever."""
    console, kept = sys.argv[1].rstrip("/"), Path(sys.argv[2])
    while True:
        try:
            last = kept.read_text().strip() if kept.exists() else ""
            for event in events(console, os.environ["SIAGA112_TOKEN"], last):
                print(json.dumps(event, ensure_ascii=False), flush=True)
                kept.write_text(event["id"])
        except urllib.error.HTTPError as error:
            sys.exit(f"{console}: {error.code}, {error.read().decode(errors='replace')}")
        except (OSError, http.client.HTTPException) as error:
            print(f"{console}: {error}; again in {PAUSE_SECONDS} s", file=sys.stderr)
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main()
