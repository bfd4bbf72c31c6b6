"""Whether this machine's clock is synchronised, as its time service says."""

import subprocess
from pathlib import Path
from typing import Final

SECONDS: Final = 1.0

_TIMESYNCD: Final = Path("/run/systemd/timesync/synchronized")
"""systemd-timesyncd creates it once it has set the clock (systemd-timesyncd.service(8))."""


def synchronised() -> bool | None:
    """Ask systemd, which asks the kernel, then chrony. None if neither knows."""
    said = _said("timedatectl", "show", "--property=NTPSynchronized", "--value")
    if said in {"yes", "no"}:
        return said == "yes"
    if _TIMESYNCD.exists():
        return True
    tracking = _said("chronyc", "-n", "-c", "tracking")
    return tracking.rpartition(",")[2] != "Not synchronised" if tracking else None


def _said(*command: str) -> str:
    """Return a program's output; '' if it is missing or fails."""
    try:
        ran = subprocess.run(  # noqa: S603 - our own words
            command, capture_output=True, check=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return ran.stdout.strip()
