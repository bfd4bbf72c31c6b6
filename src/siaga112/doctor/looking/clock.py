"""Whether this machine's clock is kept by another, as whoever keeps it says."""

import subprocess
from pathlib import Path
from typing import Final

SECONDS: Final = 1.0

_TIMESYNCD: Final = Path("/run/systemd/timesync/synchronized")
"""systemd-timesyncd makes it once it has set the clock (systemd-timesyncd.service(8))."""


def synchronised() -> bool | None:
    """Ask systemd, which asks the kernel, whoever sets the clock; then chrony. None if neither tells."""
    said = _said("timedatectl", "show", "--property=NTPSynchronized", "--value")
    if said in {"yes", "no"}:
        return said == "yes"
    if _TIMESYNCD.exists():
        return True
    tracking = _said("chronyc", "-n", "-c", "tracking")
    return tracking.rpartition(",")[2] != "Not synchronised" if tracking else None


def _said(*command: str) -> str:
    """Give what a program says; '' if it is not there, or cannot."""
    try:
        ran = subprocess.run(  # noqa: S603 - our own words
            command, capture_output=True, check=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return ran.stdout.strip()
