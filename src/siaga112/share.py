"""The files that come with siaga112: for Asterisk, Redis, Prometheus and the configuration.

An installed package carries them in `share`; in a source checkout they lie at its top.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

_PACKAGE: Final = Path(__file__).parent
_ROOT: Final = _PACKAGE / "share" if (_PACKAGE / "share").is_dir() else _PACKAGE.parents[1]


@dataclass(frozen=True, slots=True)
class FileSet:
    """Files that go to one place: all in `folder` of ours but what lies in `but`, usually to `place`."""

    folder: str
    place: str
    but: tuple[str, ...] = ()


SETS: Final = {
    "asterisk": FileSet("asterisk", "/etc/asterisk", ("sounds",)),
    "sounds": FileSet("asterisk/sounds", "/usr/share/asterisk/sounds", ("make-prompts", "prompts.toml")),
    "config": FileSet("config", "/etc/siaga112", ("prometheus", "grafana", "systemd")),
    "prometheus": FileSet("config/prometheus", "/etc/prometheus"),
    "grafana": FileSet("config/grafana", "/etc/grafana"),
    "systemd": FileSet("config/systemd", "/etc/systemd/system"),
}
"""Every file that we ship is in exactly one of them, but for the prompts' own sources; a set whose folder
we do not have is empty."""


def text(name: str) -> str:
    """Read one of our files, by its name from the top, like "asterisk/extensions_siaga112.conf"."""
    return (_ROOT / name).read_text("utf-8")


def files(name: str) -> Iterator[tuple[PurePosixPath, Path]]:
    """Give the files of a set: where each goes below the set's place, and where it is here."""
    chosen = SETS[name]
    folder = _ROOT / chosen.folder
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and relative.parts[0] not in chosen.but:
            yield PurePosixPath(relative.as_posix()), path


def prompts() -> dict[str, tuple[str, ...]]:
    """Name our prompts, as a dialplan does, by language."""
    names: dict[str, list[str]] = {}
    for relative, _ in files("sounds"):
        if relative.suffix == ".wav":
            names.setdefault(relative.parts[0], []).append("/".join(relative.with_suffix("").parts[1:]))
    return {language: tuple(prompts) for language, prompts in names.items()}
