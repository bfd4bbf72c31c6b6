"""The least AMI client that could make our typed events: a blocking socket, split, drop by name, one pattern.

    python -m benchmarks.least_ami PORT EXPECTED

It has no event loop and never reconnects. It prints what `ami_siaga112` prints.
"""

import socket
import sys
import time
from typing import Final

from siaga112.app.records import now
from siaga112.core.ami.fast_parser import Reader
from siaga112.core.ami.parser import wanted

READ: Final = 1 << 18
_ASK: Final = (
    b"Action: Login\r\nActionID: 1\r\nUsername: bench\r\nSecret: bench\r\nEvents: on\r\n\r\n"
    b"Action: QueueStatus\r\nActionID: 2\r\n\r\n"
)


def main(port: int, expected: int) -> None:
    """Follow the stream until this many events have come."""
    reader, seen, began = Reader(), 0, 0.0
    with socket.create_connection(("127.0.0.1", port), 60) as pbx:
        pbx.sendall(_ASK)
        left = pbx.recv(READ)  # the feeder has answered our login
        print("ready", flush=True)
        while seen < expected and (data := pbx.recv(READ)):  # ends: the socket has 60 s
            *messages, left = (left + data).split(b"\r\n\r\n")
            received = now()
            for message in messages:
                if wanted(message) and reader.read(message, received):
                    began = began or time.process_time()
                    seen += 1
    print(time.process_time() - began, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
