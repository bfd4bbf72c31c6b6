"""Start a lab by hand and keep it until Ctrl-C."""

import asyncio
import signal
import sys
from typing import get_args

from tests.lab.asterisk import LAB_SECRET, LAB_USER, Asterisk
from tests.lab.unpack import Version, find


async def lab(version: Version) -> None:
    """Run one PBX and print how to reach it."""
    root = find(version, lambda line: print(line, flush=True))
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Asterisk.start(root) as pbx:
        print(f"Asterisk {version} in {pbx.folder}")
        print(f"  SIP      sip:112@127.0.0.1:{pbx.sip_port} (any caller from 127.0.0.1)")
        print(f"  AMI      127.0.0.1:{pbx.ami_port}, user siaga112, secret {pbx.siaga_secret}")
        print(f"           with all rights and no filter: user {LAB_USER}, secret {LAB_SECRET}")
        print(f"  FastAGI  expected at 127.0.0.1:{pbx.agi_port}")
        print(f"  console  {' '.join(pbx.console_command)} -r")
        print("Ctrl-C ends it.", flush=True)
        await stop.wait()  # ends: at Ctrl-C


def main() -> int:
    """Read the version from the command line; it is 22 if there is none."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else "22"
    for version in get_args(Version):
        if version == wanted:
            asyncio.run(lab(version))
            return 0
    print(f"usage: python -m tests.lab [{'|'.join(get_args(Version))}]", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
