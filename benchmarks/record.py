"""Record `data/queue_call.ami` again: one queue call on a real Asterisk 22, with all its events.

    python -m benchmarks.record

The manager user has all classes and no filter, as in most installations: a client must read all of it.
"""

import asyncio
import socket
from contextlib import closing
from pathlib import Path
from typing import Final

from tests.lab.asterisk import LAB_SECRET, LAB_USER, Asterisk
from tests.lab.sipp import place_call
from tests.lab.unpack import find

CALL: Final = Path(__file__).parent / "data" / "queue_call.ami"
_QUIET_SECONDS: Final = 2.0


async def record() -> bytes:
    """Play one call that an operator answers and ends; return the stream as it came."""
    async with Asterisk.start(find("22", print), globals_={"OPERATOR": "answer_then_hangup"}) as pbx:
        with closing(socket.create_connection(("127.0.0.1", pbx.ami_port), 30)) as client:
            client.sendall(f"Action: Login\r\nUsername: {LAB_USER}\r\nSecret: {LAB_SECRET}\r\n\r\n".encode())
            client.setblocking(False)
            call = await place_call(pbx, number="081234567890", presses="1")
            heard = asyncio.create_task(_listen(client))
            await call.ended(timeout=60)
            return await heard


async def _listen(client: socket.socket) -> bytes:
    stream = b""
    loop = asyncio.get_running_loop()
    try:
        while True:  # ends: at a pause
            within = _QUIET_SECONDS if b"Event: QueueCallerLeave" in stream else 30.0
            stream += await asyncio.wait_for(loop.sock_recv(client, 1 << 16), within)
    except TimeoutError:
        return stream


def main() -> None:
    """Record the call, keep only its events, and print their number."""
    messages = asyncio.run(record()).split(b"\r\n\r\n")
    first = next(n for n, message in enumerate(messages) if b"Event: Newchannel" in message)
    events = [message for message in messages[first:] if message.startswith(b"Event: ")]
    CALL.write_bytes(b"".join(message + b"\r\n\r\n" for message in events))
    print(f"{CALL.name}: {len(events)} events, {CALL.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
