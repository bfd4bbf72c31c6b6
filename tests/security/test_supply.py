"""What is installed beside us: known by hash, and the same as was tested."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_package_is_known_by_its_hash() -> None:
    """`requirements.lock` has a hash for each package, at the version that the tests passed with."""
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    entries = re.split(r"\n(?=[a-z])", lock.strip())
    tested = (ROOT / "constraints.txt").read_text("utf-8").lower().replace("_", "-").split()
    assert len(entries) > 20
    for entry in entries:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
        version = entry.split()[0].lower().replace("_", "-")
        assert version in tested or " ; " in entry.split("\\")[0], version  # for other systems
    assert "://" not in lock
