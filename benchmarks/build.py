"""What is built on the spot: the programs in C, and the virtual environment of the peers."""

import subprocess
import sys
from pathlib import Path
from typing import Final

PEERS: Final = ("panoramisk", "pystrix", "redis", "hiredis")
_SOURCES: Final = Path(__file__).parent / "c"
_BUILT: Final = Path(__file__).parent / ".built"


def program(name: str) -> Path:
    """Compile one of the programs in C if it has changed; return its path."""
    source, made = _SOURCES / f"{name}.c", _BUILT / name
    if not made.exists() or made.stat().st_mtime < source.stat().st_mtime:
        _BUILT.mkdir(exist_ok=True)
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-o", made, source], check=True, timeout=600)
    return made


def peers() -> Path:
    """Install the peers' latest releases, once; return their interpreter."""
    python = _BUILT / "peers" / "bin" / "python"
    done = _BUILT / "peers" / ".ready"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", _BUILT / "peers"], check=True, timeout=600)
        subprocess.run(
            [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", *PEERS],
            check=True,
            timeout=600,
        )
        done.touch()
    return python


def peer_versions() -> dict[str, str]:
    """Return the installed versions."""
    listed = subprocess.run(
        [peers(), "-m", "pip", "freeze"], check=True, capture_output=True, text=True, timeout=600
    ).stdout
    found = dict(line.split("==") for line in listed.splitlines() if "==" in line)
    return {name: found[name] for name in PEERS}
