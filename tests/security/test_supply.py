"""What is installed with us: pinned by hash, at the versions that were tested."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APART = {"requirements-ansible.lock"}
"""Locks of environments other than the one that the tests run in."""

LOCKS = sorted(path.name for path in ROOT.glob("requirements*.lock"))
INSTALLERS = ("Dockerfile", "Makefile", "packaging/deb/build", "tests/lab/prepare", "docs/manual.md")


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_known_by_its_hash(name: str) -> None:
    """Each lock has a hash for each package, at the version that the tests use."""
    lock = (ROOT / name).read_text("utf-8")
    entries = re.split(r"\n(?=[a-z])", lock.strip())
    tested = (ROOT / "constraints.txt").read_text("utf-8").lower().replace("_", "-").replace(".", "-").split()
    assert len(entries) > 5
    for entry in entries:
        if entry.startswith("pip=="):
            continue  # pip itself is not in constraints.txt
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
        version = entry.split()[0].lower().replace("_", "-").replace(".", "-")
        elsewhere = name in APART or " ; " in entry.split("\\")[0]  # with a marker: for another system
        assert elsewhere or version in tested, version
    assert "://" not in lock


@pytest.mark.parametrize("name", INSTALLERS)
def test_nothing_is_installed_that_is_not_known_by_its_hash(name: str) -> None:
    """Each `pip install` in our files uses a lock with hashes, or installs without dependencies."""
    text = (ROOT / name).read_text("utf-8").replace("\\\n", " ")
    installs = [
        line for line in text.splitlines() if re.search(r"pip install\b.* (-r|-e|\.( |$))|\$pip ", line)
    ]
    assert installs
    for line in installs:
        parts = re.findall(r"(?:pip install|\$pip) [^&]*", line)
        for part in parts:
            assert "--require-hashes" in part or "--no-deps" in part, part


def test_images_can_be_pinned_to_what_the_registries_have(tmp_path: Path) -> None:
    """`make image-pins` adds the digest to each image's tag, and replaces an older digest."""
    files = ("Makefile", "compose.yaml", "Dockerfile", "tests/image/pbx/Dockerfile")
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    programs = tmp_path / "bin"
    programs.mkdir()
    for digit in "ab":
        (programs / "docker").write_text(f"#!/bin/sh\necho sha256:{digit * 64}\n")
        (programs / "docker").chmod(0o755)
        environ = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
        subprocess.run(["make", "image-pins"], cwd=tmp_path, env=environ, check=True, timeout=60)
        pinned = "".join((tmp_path / name).read_text("utf-8") for name in files[1:])
        assert (
            len(re.findall(rf"(?:prometheus|grafana|slim)[:\w.]*@sha256:{digit * 64}$", pinned, re.MULTILINE))
            == 4
        )
        assert pinned.count("@sha256:") == 4
