"""Examines files and folders of this machine, read-only."""

import contextlib
import glob
import os
import re
import stat
import time
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from siaga112 import infile
from siaga112.adapters.redis.url import masked
from siaga112.adapters.state_dir import DAMAGED
from siaga112.core.model import SECOND, Millis
from siaga112.doctor.looking.clock import synchronised
from siaga112.doctor.looking.sockets import is_here, listeners
from siaga112.doctor.manager import MODULES
from siaga112.doctor.observations import HostSeen, RoomSeen
from siaga112.reasons import plainly
from siaga112.settings.running import Changed
from siaga112.settings.values import masked_database

_OTHERS_READ: Final = stat.S_IROTH


def examine(
    *,
    config: Path,
    state_dir: Path,
    queue_log: str,
    data_dir: str,
    prompts: Mapping[str, tuple[str, ...]],
    running: Mapping[str, Changed],
    ami_host: str,
    ami_ports: Sequence[int],
    ami_user: str,
    config_dir: str,
) -> HostSeen:
    """Examine the configuration file, the state directory, the queue_log, and the prompts in `data_dir`.

    If the PBX is on this machine (`ami_host`): also where it listens, and when its files were edited.
    """
    trouble = _folder_trouble(state_dir)
    here = is_here(ami_host)
    return HostSeen(
        state_dir=trouble,
        state_dir_open=not trouble and bool(state_dir.stat().st_mode & (stat.S_IROTH | stat.S_IXOTH)),
        readable_secret=_tells_a_secret(config),
        queue_log=_file_trouble(Path(queue_log)) if queue_log else "",
        missing_prompts=_missing(Path(data_dir) / "sounds", prompts) if data_dir else None,
        running=running,
        damaged=()
        if trouble
        else tuple(str(one) for name in DAMAGED for one in sorted(state_dir.glob(name))),
        ami_bound=_bound(ami_ports) if here else None,
        open_secrets=tuple(
            str(file)
            for file in (
                *sorted((config.parent / "credentials").glob("*")),
                *([Path(config_dir) / ami_user] if here and config_dir else []),
            )
            if _is_everybodys(file)
        ),
        edited=_edited(Path(config_dir)) if here and config_dir else None,
        room=_room(state_dir),
        synchronised=synchronised(),
        queue_log_age=_age(Path(queue_log)) if queue_log else None,
    )


def _bound(ports: Sequence[int]) -> tuple[str, ...] | None:
    return tuple(sorted({one.address for port in ports for one in listeners(port)})) or None


def _is_everybodys(file: Path) -> bool:
    """Return whether every user of the machine can reach and read a file."""
    try:
        way = all(folder.stat().st_mode & stat.S_IXOTH for folder in file.parents)
        return way and bool(file.stat().st_mode & _OTHERS_READ)
    except OSError:
        return False


def _room(folder: Path) -> RoomSeen | None:
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return RoomSeen(found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None)


def _age(file: Path) -> Millis | None:
    try:
        return round((time.time() - file.stat().st_mtime) * SECOND)
    except OSError:
        return None


def _edited(folder: Path) -> dict[str, Millis] | None:
    """Return how long ago each file, or an include of it, was edited; None if we may not see them."""
    ages = {
        name: min(found)
        for name in MODULES
        if (
            found := [
                age for file in _with_included(folder, folder / name) if (age := _age(file)) is not None
            ]
        )
    }
    return ages or None


def _with_included(folder: Path, file: Path) -> list[Path]:
    """Yield a file and its readable includes, recursively."""
    files = [file]
    for one in files:  # grows while we go
        with contextlib.suppress(OSError, UnicodeError):
            for name in _INCLUDES.findall(infile.read(one).decode("utf-8", "replace")):
                found = map(Path, sorted(glob.glob(str(folder / name))))  # noqa: PTH207 - may be absolute
                files += [path for path in found if path not in files and len(files) < _FILES_MAX]
    return files


def sections(config_dir: str) -> tuple[str, ...] | None:
    """Return the sections of Asterisk's pjsip.conf and its includes; None if it is not here."""
    folder, found = Path(config_dir), dict[str, None]()
    try:
        (folder / "pjsip.conf").open("rb").close()
    except OSError:
        return None
    for file in _with_included(folder, folder / "pjsip.conf"):
        with contextlib.suppress(OSError):
            found |= dict.fromkeys(_SECTION.findall(infile.read(file).decode("utf-8", "replace")))
    return tuple(found)


_SECTION: Final = re.compile(r"^\s*\[([^\]\s]+)\]", re.MULTILINE)
_INCLUDES: Final = re.compile(r"""^\s*#(?:try)?include\s+["<]?([^">\s;]+)""", re.MULTILINE)
_FILES_MAX: Final = 100


def _folder_trouble(folder: Path) -> str:
    try:
        if not folder.exists():
            return "does not exist"
        if not folder.is_dir():
            return "is not a folder"
    except PermissionError:
        return "is not for this user to reach"
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return "is not for this user to read and write"
    return ""


def _file_trouble(file: Path) -> str:
    try:
        with infile.opened(file):
            return ""
    except OSError as error:
        return plainly(error)


def _tells_a_secret(config: Path) -> bool:
    try:
        if not config.stat().st_mode & _OTHERS_READ:
            return False
        values = tomllib.loads(infile.read(config).decode("utf-8"))
        return _has_a_secret(values)
    except (OSError, ValueError):
        return False
    except AttributeError:  # not a valid configuration: `check-config` says so
        return True


def _has_a_secret(values: Mapping[str, Any]) -> bool:
    url = str(values.get("redis", {}).get("url", ""))
    database = str(values.get("database", {}).get("url", ""))
    hooks = values.get("events", {}).get("webhooks", {}).values()
    secrets = (
        values.get("ami", {}).get("secret"),
        values.get("privacy", {}).get("caller_key"),
        *(hook.get("secret") for hook in hooks),
    )
    return any(secrets) or masked(url) != url or masked_database(database) != database


_FORMATS: Final = frozenset(
    {".wav", ".WAV", ".wav16", ".wav49", ".gsm", ".ulaw", ".alaw", ".sln", ".sln16", ".g722", ".g729", ".ogg"}
)
"""Extensions of sound files that Asterisk plays."""


def _plays(folder: Path, name: str) -> bool:
    return any(one.suffix in _FORMATS and one.stat().st_size for one in folder.glob(f"{name}.*"))


def _missing(sounds: Path, prompts: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]] | None:
    """Return the prompts without a file in any format; None if the folder cannot be read."""
    try:
        if not sounds.is_dir() or not os.access(sounds, os.R_OK | os.X_OK):
            return None
        return {
            language: tuple(name for name in names if not _plays(sounds / language, name))
            for language, names in prompts.items()
        }
    except PermissionError:
        return None
