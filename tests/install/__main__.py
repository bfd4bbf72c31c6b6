"""Times the installation on fresh machines, from the wheel to the first rejected call: `make install-log`.

It runs the exact commands of the README and of the manual on a fresh Debian 12 and 13 with systemd, whose
Asterisk is in service with somebody else's dialplan, plain or of FreePBX's shape.
`python -m tests.install [PAGE] [--only NAME]` also writes what was done, and when, into PAGE. It needs root.
"""

import argparse
import asyncio
import datetime as dt
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from tests.install.log import Log
from tests.install.machine import (
    HERE,
    PACKAGES,
    SHAPES,
    TELEPHONE,
    Machine,
    Shape,
    copied,
    debian,
    furnish,
    readme,
)
from tests.lab.phone import Phone
from tests.lab.sipp import Call, place_call
from tests.pbx.foreign import REPOSITORY, Plain, blocks

CALLER: Final = "081234567890"
OWN: Final = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
UNSAID: Final = r"AMI reach .* func_config|clock set"
"""The warnings to expect: the module with which the doctor reads, and a clock that nothing keeps."""
LEFT: Final = rf"{UNSAID}|AMI reach|AMI address"
"""On FreePBX also what setup leaves to the admin: two modules and AMI's address, which others may use."""

HEAD: Final = """\
# How long the installation takes

`make install-log` installs siaga112 on fresh machines with their own systemd, whose Asterisk is in service
with somebody else's dialplan, times it and generates this page. On plain Asterisk it types the commands of
the [README](../README.md#install-it-beside-your-pbx), with `siaga112 setup` on a terminal, where a person
answers; on FreePBX's shape those of the [manual](manual.md#with-one-command), its one answer as an option.
Then come the manual's steps 3 to 6, without the weeks of step 4.

The clock starts at 0 when the first `pip install` begins, with an empty cache. "processor" is the time that
pip and setup need of one, however busy the machine is. Setup ends with the doctor's word. Two warnings are
expected here: of the module that it reads with, and that nobody keeps the clock of a machine that lives for
minutes. On FreePBX's shape setup leaves two modules and the AMI's address to the admin, because other
programs may use them. Debian 12 and 13 carry no Asterisk: it is Debian's own of another release (22 of forky,
16 of bullseye), below /opt, started by its own unit.

"""


@dataclass(frozen=True, slots=True)
class Went:
    """The log and the figures of one machine."""

    lines: list[str]
    figures: dict[str, float]


def release(folder: Path) -> Path:
    """Build sdist and wheel as for a release; return the unpacked sdist with the wheel in it."""
    hatch = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(hatch, cwd=REPOSITORY, check=True, capture_output=True, timeout=900)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    subprocess.run(["tar", "xzf", sdist, "-C", folder], check=True, timeout=900)
    unpacked = folder / sdist.name.removesuffix(".tar.gz")
    wheel.rename(unpacked / wheel.name)
    return unpacked


async def call(folder: Path, presses: str = "") -> Call:
    """Call the machine's PBX."""
    pbx: Any = SimpleNamespace(version="22", folder=folder, sip_port=5060, before_stop=lambda _: None)
    return await place_call(pbx, number=CALLER, presses=presses)


async def served(machine: Machine, phone: Phone, folder: Path) -> int:
    """Call, press 1, talk to the operator and hang up; return the SIP status."""
    placed = await call(folder, presses="1")
    leg = await phone.ringing()
    await leg.answer()
    await machine.until("asterisk -rx 'bridge show all'", "basic")
    return (await placed.hang_up()).status


def content(told: str, may_say: str) -> None:
    """Check that the doctor finds the daemon ok and nothing wrong beyond what it may say."""
    rest = [line for line in told.splitlines() if line.startswith(("warn", "fail", "- "))]
    assert "ok    daemon " in told, told
    assert all(re.search(may_say, line) for line in rest), told


async def set_up(machine: Machine, shape: Shape, log: Log) -> None:
    """Run the commands of the README, or of the manual; check what setup and its doctor say."""
    if shape.pbx is Plain:
        log.line("\nThe README's lines")
        *fetching, setup = readme()
        await machine.run("\n".join(fetching))
        log.figure("setup")
        answers = (("A short name of the site", "serang"), ("Do this?", "y"))
        said = await machine.answered(setup, *answers, last="setup --undo")
    else:
        program, setup = (block.text for block in blocks("With one command"))
        log.line("\nThe manual's steps, with one command")
        await machine.run(program)
        log.figure("setup")
        log.done(f"$ {setup.strip()}")
        said = await machine.done(setup)
    log.figure("doctor")
    found = re.search(r"\d+ steps in ([\d.]+) s, questions answered: (\d+)", said)
    assert found, said
    log.said(said)
    content(said, UNSAID if shape.pbx is Plain else LEFT)
    log.figures |= {"questions": int(found[2])}
    log.done("setup has ended, and the doctor has nothing else to say")


async def install(machine: Machine, phone: Phone, folder: Path, shape: Shape, log: Log) -> None:
    """Install siaga112 and use it, up to the first rejected call and its unblocking."""
    for version in (
        "systemctl --version | head -n 1",
        "asterisk -V",
        "command -v python3 || echo no Python yet",
    ):
        log.line((await machine.done(version)).strip())
    log.line(f"a call to 112: {await served(machine, phone, folder)}, an operator answers")
    await machine.fetch_lists()
    await set_up(machine, shape, log)
    log.done(f"a call to 112: {await served(machine, phone, folder)}, an operator answers")
    look, wait, enforce, block, unblock = blocks("Observe, read, enforce")
    for one in (look, wait, enforce, block):
        await machine.do(one)
    ended = await (await call(folder)).ended(timeout=60)
    assert ended.status == 403, ended
    log.done(f"a call to 112: {ended.status}, after the announcement")
    log.figure("rejected")
    await machine.do(unblock)
    log.done(f"a call to 112: {await served(machine, phone, folder)}, an operator answers")


async def inside(folder: Path, outside: int, shape: Shape) -> Went:
    """Boot the machine and install on it; this process has its own namespaces."""
    log = Log()
    release_ = (folder / "root/etc/debian_version").read_text("utf-8").strip()
    (wheel,) = (folder / f"root{HERE}").glob("*.whl")
    log.line(f"Debian {release_} on {platform.machine()}; {wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB")
    async with Machine.boot(folder, outside, log, alone=False) as machine:
        phone = await Phone.open(*TELEPHONE)
        try:
            await install(machine, phone, folder, shape, log)
        finally:
            phone.close()
    return Went(log.lines, log.figures)


def tried(name: str, made: Path, base: Path) -> Went:
    """Make the machine, install on it in new namespaces, and delete it."""
    outside = os.open("/proc/self/ns/net", os.O_RDONLY)
    with tempfile.TemporaryDirectory(prefix="s112-install-", dir="/var/tmp") as place:
        folder = Path(place)
        print(f"\n{SHAPES[name].title}", flush=True)
        copied(base, folder / "root")
        furnish(folder / "root", made, SHAPES[name])
        again = (sys.executable, "-m", "tests.install", "--inside", str(folder), str(outside), "--only", name)
        # The mounts end with their namespace, so that deleting the folder out here never reaches /dev.
        up = ("sh", "-ec", 'ip link set lo up; exec "$@"', "sh")
        try:
            subprocess.run([*OWN, *up, *again], check=True, pass_fds=[outside], timeout=900)
        finally:
            os.close(outside)
        return Went(**json.loads((folder / "went.json").read_text("utf-8")))


def page(all_: dict[str, Went]) -> str:
    """Return the page about these machines."""
    today, load = dt.datetime.now().astimezone().date(), os.getloadavg()[2]
    rows = []
    for name, went in all_.items():
        at = went.figures
        setup = at["doctor"] - at["setup"]
        rows.append(
            f"| {SHAPES[name].title} | {at['doctor']:.0f} s | {at['setup']:.0f} s | {setup:.0f} s "
            f"| {at['doctor processor']:.0f} s | {at['questions']:.0f} | {at['rejected']:.0f} s |"
        )
    table = [
        "| machine | wheel to doctor's word | pip | setup | processor | questions | first rejected call |",
        "|---|---|---|---|---|---|---|",
        *rows,
        "",
        f"{today}, {os.cpu_count()} cores, other work on them: load {load:.1f} over the last 15 minutes.",
    ]
    logs = [
        f"\n## {SHAPES[name].title}\n\n```\n" + "\n".join(went.lines) + "\n```" for name, went in all_.items()
    ]
    return HEAD + "\n".join([*table, *logs]) + "\n"


def main() -> int:
    """Install on each machine; write the page, if one is named."""
    asked = argparse.ArgumentParser(prog="tests.install")
    asked.add_argument("page", nargs="?", type=Path)
    asked.add_argument("--only", choices=SHAPES)
    asked.add_argument("--inside", nargs=2, help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.inside:
        folder = Path(given.inside[0])
        went = asyncio.run(inside(folder, int(given.inside[1]), SHAPES[given.only]))
        (folder / "went.json").write_text(json.dumps(asdict(went)), "utf-8")
        return 0
    wanted = {name: shape for name, shape in SHAPES.items() if given.only in {None, name}}
    with tempfile.TemporaryDirectory(prefix="s112-release-", dir="/var/tmp") as place:
        made = release(Path(place))
        for suite in dict.fromkeys(shape.suite for shape in wanted.values()):
            print(f"a fresh Debian {suite} (half a minute)", flush=True)
            debian(suite, Path(place) / suite, *PACKAGES)
        all_: dict[str, Went] = {}
        for name, shape in wanted.items():
            all_[name] = tried(name, made, Path(place) / shape.suite)
            if given.page:
                given.page.write_text(page(all_), "utf-8")
    written = page(all_)
    print("\n".join(line for line in written.splitlines() if line.startswith("|")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
