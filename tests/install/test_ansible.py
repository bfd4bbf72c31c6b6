"""The Ansible role on a fresh Debian with systemd and a PBX, over SSH as in the manual; at night, as root.

The machine has a network of its own: what the role fetches is in its caches, and SSH enters by nsenter.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.install.__main__ import release
from tests.install.log import Log
from tests.install.machine import PACKAGES, SHAPES, Machine, debian, furnish
from tests.lab.systemd import runs_here
from tests.pbx.foreign import REPOSITORY, blocks

pytestmark = [
    pytest.mark.night,
    pytest.mark.timeout(1_800),
    pytest.mark.skipif(
        bool(runs_here()) or shutil.which("mmdebstrap") is None or shutil.which("ssh") is None,
        reason="needs root, namespaces, mmdebstrap and ssh",
    ),
]

CACHED: Final = "python3-venv python3-packaging redis-server"
WHEELS: Final = "/var/cache/wheels"
FILES: Final = "cd /etc/asterisk && find . -type f | sort | xargs sha256sum"
RECAP: Final = re.compile(
    r"^pbx\.example +: ok=(\d+) +changed=(\d+) +unreachable=0 +failed=(\d+)", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Controller:
    """Where Ansible is, and how it reaches the machine."""

    folder: Path
    release: Path
    proxy: Sequence[str]

    def play(self, *more: str) -> int:
        """Run the manual's command; return how many tasks changed something."""
        (block,) = blocks("With Ansible")
        key = (
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-i",
            f"{self.folder}/key",
        )
        ssh = shlex.join([*key, "-o", f"ProxyCommand={shlex.join(self.proxy)}"])
        ran = subprocess.run(
            ["sh", "-ec", f'{block.text.strip()} "$@"', "sh", "-u", "root", "--ssh-common-args", ssh, *more],
            cwd=self.release,
            env={
                "PATH": f"{self.folder}/ansible/bin:{os.environ['PATH']}",
                "HOME": str(self.folder),
                "LANG": "C.UTF-8",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        print(ran.stdout[-6000:])
        found = RECAP.search(ran.stdout)
        assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]
        assert found, ran.stdout
        assert found[3] == "0", ran.stdout
        return int(found[2])


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """Make a Debian 12 with a PBX, with SSH, Python and its apt for Ansible, and what pip will need."""
    root = tmp_path / "root"
    debian("bookworm", root, *PACKAGES, "openssh-server", "python3", "python3-apt")
    furnish(root, release(tmp_path), SHAPES["12"])
    # Without markers, because Debian's Python 3.11 may be older than this one.
    lock = re.sub(
        r" ; python_full_version [^\\]+", " ", (REPOSITORY / "requirements.lock").read_text("utf-8")
    )
    (tmp_path / "all.lock").write_text(lock, "utf-8")
    fetch = (sys.executable, "-m", "pip", "download", "-q", "--require-hashes", "-r", tmp_path / "all.lock")
    subprocess.run([*fetch, "-d", f"{root}{WHEELS}"], check=True, timeout=600)
    (root / "etc/pip.conf").write_text(f"[global]\nno-index = true\nfind-links = {WHEELS}\n", "utf-8")
    return root


@pytest.fixture
async def machine(fresh: Path, tmp_path: Path) -> AsyncIterator[Machine]:
    """Boot the machine, with the packages that apt will need in its cache."""
    outside = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        async with Machine.boot(tmp_path, outside, Log()) as booted:
            await booted.fetch_lists()
            await booted.done(f"apt-get install -qq --download-only {CACHED}")
            yield booted
    finally:
        os.close(outside)
        shutil.rmtree(fresh)


@pytest.fixture
def controller(machine: Machine, tmp_path: Path) -> Controller:
    """Install Ansible from its lock, in its own environment, with a key that the machine accepts."""
    venv = tmp_path / "ansible"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True, timeout=300)
    pip = (
        venv / "bin/pip",
        "install",
        "-q",
        "--require-hashes",
        "-r",
        REPOSITORY / "requirements-ansible.lock",
    )
    subprocess.run(pip, check=True, timeout=600)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True, timeout=60
    )
    known = machine.place("/root/.ssh/authorized_keys")
    known.parent.mkdir(mode=0o700, exist_ok=True)
    shutil.copy(tmp_path / "key.pub", known)
    (made,) = (path for path in tmp_path.iterdir() if path.is_dir() and path.name.startswith("siaga112-"))
    return Controller(tmp_path, made, machine.inner("/usr/sbin/sshd -i"))


async def test_the_role_leads_to_a_running_line_twice_alike_and_undo_takes_it_back(
    machine: Machine, controller: Controller
) -> None:
    """The first run installs and starts siaga112, the second changes nothing, undo restores /etc/asterisk."""
    before = await machine.done(FILES)
    assert controller.play("--check") > 0
    assert await machine.done(FILES) == before
    assert controller.play() > 0
    assert await machine.done("systemctl is-active siaga112-screen siaga112-track") == "active\nactive\n"
    assert "siaga112" in await machine.done("asterisk -rx 'manager show connected'")
    assert await machine.done(FILES) != before
    assert controller.play() == 0
    assert controller.play("--check") == 0
    assert controller.play("-e", "siaga112_undo=true") == 1
    assert await machine.done(FILES) == before
    assert controller.play("-e", "siaga112_undo=true") == 0
