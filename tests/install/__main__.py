"""A fresh machine, the wheel, a doctor with nothing to say, the first rejected call: `make install-log`.

The manual's steps for plain Asterisk, all of them, on a Debian made by mmdebstrap that has an Asterisk with
somebody else's dialplan. `python -m tests.install PAGE` also writes what was done, and when, into PAGE.
As root only.
"""

import asyncio
import datetime as dt
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from tests.install.log import Log
from tests.install.machine import HERE, Machine, build
from tests.lab.sipp import Call, place_call
from tests.pbx.foreign import REPOSITORY, blocks

CALLER: Final = "081234567890"
PATIENCE_SECONDS: Final = 60.0
OWN: Final = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")

HEAD: Final = """\
# How long the installation takes

`make install-log` follows the steps of the [manual](manual.md#install-beside-an-existing-pbx) for plain
Asterisk to the letter, on a fresh Debian whose Asterisk is in service with somebody else's dialplan,
times them and generates this page. The clock starts at 0 when `pip install` begins, with an empty cache.
The weeks of step 4 are left out. A chroot has no systemd, so the command lines of the units are started
after setup, as their user and with their credentials, and the doctor runs once more.

"""


def release(folder: Path) -> Path:
    """Build the sdist and the wheel, as they are released; give the unpacked sdist with the wheel in it."""
    hatch = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(hatch, cwd=REPOSITORY, check=True, capture_output=True, timeout=900)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    subprocess.run(["tar", "xzf", sdist, "-C", folder], check=True, timeout=900)
    unpacked = folder / sdist.name.removesuffix(".tar.gz")
    wheel.rename(unpacked / wheel.name)
    return unpacked


async def until(machine: Machine, command: str, wanted: str) -> None:
    """Ask the PBX's console again and again, until it says so."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while wanted not in await machine.console(command):  # noqa: ASYNC110 - a console has to be asked
            await asyncio.sleep(0.1)


async def call(folder: Path, presses: str = "") -> Call:
    """Call the machine's PBX."""
    pbx: Any = SimpleNamespace(version="22", folder=folder, sip_port=5060, before_stop=lambda _: None)
    return await place_call(pbx, number=CALLER, presses=presses)


async def served(machine: Machine, folder: Path) -> int:
    """Call, press 1, talk to the operator, hang up; give SIP's status."""
    placed = await call(folder, presses="1")
    await until(machine, "core show channels concise", "!AppQueue!")
    await until(machine, "bridge show all", "basic")
    return (await placed.hang_up()).status


async def ready(machine: Machine) -> None:
    """Wait for both halves to say that they are at work."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        for half, event in (("screen", "store_up"), ("screen", "started"), ("track", "ami_connected")):
            while f'"{event}"' not in machine.said(f"siaga112-{half}"):  # noqa: ASYNC110 - a file
                await asyncio.sleep(0.05)


async def install(machine: Machine, folder: Path, log: Log) -> None:
    """Go the whole way."""
    machine.start_asterisk()
    await until(machine, "core show uptime", "System uptime")
    await until(machine, "core waitfullybooted", "fully booted")
    log.line(
        f"{(await machine.console('core show version')).partition(' built')[0]}, somebody else's dialplan"
    )
    log.line(f"a call to 112: {await served(machine, folder)}, an operator answers")
    await machine.fetch_lists()

    await machine.follow("With one command")
    log.done(f"nothing of ours runs yet; a call to 112: {await served(machine, folder)}, an operator answers")
    machine.start_units()
    await ready(machine)
    _, doctor = blocks("By hand: start it")
    await machine.do(doctor)
    look, wait, enforce, block, unblock = blocks("Observe, read, enforce")
    told = machine.printed[-1]
    # Nothing keeps the clock of a machine that lives for minutes, and it has no telephone.
    rest = [line for line in told.splitlines() if line.startswith(("warn", "fail", "- "))]
    assert all(re.search(r"AMI reach|clock set|operators' phones", line) for line in rest), told
    log.done(
        "the doctor has nothing to say but for the module that it reads with, the clock and the telephone"
    )
    log.done(f"a call to 112: {await served(machine, folder)}, an operator answers")
    for one in (look, wait, enforce, block):
        await machine.do(one)
    ended = await (await call(folder)).ended(timeout=60)
    assert ended.status == 403, ended
    log.done(f"a call to 112: {ended.status}, after the announcement")
    took = log.seconds
    await machine.do(unblock)
    log.done(f"a call to 112: {await served(machine, folder)}, an operator answers")
    log.line(f"\nFrom pip install to the first rejected call: {took:.0f} s")


def inside(root: Path, outside: int, page: Path | None) -> None:
    """Do it, in namespaces of our own."""
    (wheel,) = (root / HERE.lstrip("/")).glob("*.whl")
    log = Log()
    debian = (root / "etc/debian_version").read_text("utf-8").strip()
    today = dt.datetime.now().astimezone().date()
    log.line(f"{today}, Debian {debian} on {platform.machine()}, {os.cpu_count()} cores")
    log.line(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB")
    machine = Machine(root, outside, wheel.name, log)
    try:
        asyncio.run(install(machine, root.parent, log))
    finally:
        machine.stop()
    if page:
        page.write_text(f"{HEAD}```\n" + "\n".join(log.lines) + "\n```\n", "utf-8")


def main() -> int:
    """Make the machine, go in, and clear it away."""
    match sys.argv[1:]:
        case ["inside", machine, network, *page]:
            inside(Path(machine), int(network), Path(page[0]) if page else None)
            return 0
        case page:
            outside = os.open("/proc/self/ns/net", os.O_RDONLY)
    with tempfile.TemporaryDirectory(prefix="s112-install-") as folder:
        root = Path(folder) / "machine"
        print("a fresh machine, with an Asterisk of its own (about a minute)", flush=True)
        build(root, release(Path(folder)))
        again = [sys.executable, "-m", "tests.install", "inside", str(root), str(outside), *page]
        # The mounts end with their namespace: what is cleared away out here is the folder alone, never /dev.
        up = ("sh", "-ec", 'ip link set lo up; exec "$@"', "sh")
        return subprocess.run([*OWN, *up, *again], check=False, pass_fds=[outside], timeout=900).returncode


if __name__ == "__main__":
    sys.exit(main())
