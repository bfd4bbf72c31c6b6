"""`make install-log` without its page, at night and as root: each machine, to the first rejected call."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.install.machine import SHAPES
from tests.lab.systemd import runs_here
from tests.pbx.foreign import REPOSITORY

pytestmark = [
    pytest.mark.night,
    pytest.mark.timeout(1_800),
    pytest.mark.skipif(
        bool(runs_here()) or shutil.which("mmdebstrap") is None,
        reason="needs root, namespaces and mmdebstrap",
    ),
]


@pytest.mark.parametrize("name", SHAPES)
def test_the_readmes_and_the_manuals_commands_lead_from_nothing_to_a_rejected_call(name: str) -> None:
    """On a fresh machine, the commands lead to a content doctor, served calls and a rejected one."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.install", "--only", name],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY}/src"},
        capture_output=True,
        text=True,
        check=False,
        timeout=1_700,
    )
    print(ran.stdout)
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]
    assert f"| {SHAPES[name].title} |" in ran.stdout
