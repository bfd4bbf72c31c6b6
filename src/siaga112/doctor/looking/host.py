"""Files and folders of this machine, looked at and left alone."""

import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from siaga112 import infile
from siaga112.adapters.redis.url import masked
from siaga112.adapters.state_dir import DAMAGED
from siaga112.doctor.observations import HostSeen
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
) -> HostSeen:
    """Look at the configuration file, the state directory, the queue_log, and the prompts in `data_dir`."""
    trouble = _folder_trouble(state_dir)
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
    )


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
    except (OSError, ValueError):
        return False
    url = str(values.get("redis", {}).get("url", ""))
    database = str(values.get("database", {}).get("url", ""))
    secrets = (values.get("ami", {}).get("secret"), values.get("privacy", {}).get("caller_key"))
    return any(secrets) or masked(url) != url or masked_database(database) != database


def _missing(sounds: Path, prompts: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]] | None:
    """Name the prompts of which there is no file in any format; None if the folder cannot be seen."""
    try:
        if not sounds.is_dir() or not os.access(sounds, os.R_OK | os.X_OK):
            return None
        return {
            language: tuple(name for name in names if not any((sounds / language).glob(f"{name}.*")))
            for language, names in prompts.items()
        }
    except PermissionError:
        return None
