"""The files shipped with siaga112: for Asterisk, Redis, Prometheus, Grafana, systemd, and its own.

An installed package has them in `share`; a source checkout has them at its top.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

_PACKAGE: Final = Path(__file__).parents[1]
_ROOT: Final = _PACKAGE / "share" if (_PACKAGE / "share").is_dir() else _PACKAGE.parents[1]


@dataclass(frozen=True, slots=True)
class FileSet:
    """Files with one destination: those in `folder` that match a pattern in `of`, usually copied to `place`.

    Other files in the folder do not belong to the set: sources, caches, editors' backups. `ending`, if given,
    replaces the suffix at the destination.
    """

    folder: str
    place: str
    of: tuple[str, ...]
    ending: str = ""


SETS: Final = {
    "asterisk": FileSet("asterisk", "/etc/asterisk", ("*.conf", "manager.d/*.conf")),
    "sounds": FileSet("asterisk/sounds", "/usr/share/asterisk/sounds", ("*/siaga112/*.wav",)),
    "config": FileSet("config", "/etc/siaga112", ("siaga112.toml", "redis-acl.conf")),
    "prometheus": FileSet("config/prometheus", "/etc/prometheus", ("*.yml",)),
    "alertmanager": FileSet(
        "config/alertmanager", "/etc/alertmanager", ("alertmanager.yml", "templates/*.tmpl")
    ),
    "grafana": FileSet(
        "config/grafana", "/etc/grafana", ("provisioning/*/*.yaml", "dashboards/siaga112/*.json")
    ),
    "systemd": FileSet(
        "config/systemd", "/etc/systemd/system", ("*.service", "*.socket", "*.target", "*.timer")
    ),
    "sysusers": FileSet("config/systemd", "/etc/sysusers.d", ("*.sysusers",), ".conf"),
    "ansible": FileSet("config/ansible", "/etc/ansible", ("*.yml", "roles/siaga112/*/*.yml")),
    "doc": FileSet("docs", "/usr/share/doc/siaga112", ("runbook.md",)),
}
"""Each shipped file is in exactly one set, except those from which others are generated."""


def text(name: str) -> str:
    """Return the text of a shipped file; `name` is its path, like "asterisk/extensions_siaga112.conf"."""
    return (_ROOT / name).read_text("utf-8")


def files(name: str) -> Iterator[tuple[PurePosixPath, Path]]:
    """Yield the files of a set: the path below the set's destination, and the path here."""
    chosen = SETS[name]
    folder = _ROOT / chosen.folder
    for path in sorted({path for pattern in chosen.of for path in folder.glob(pattern)}):
        if path.is_file():
            relative = path.relative_to(folder)
            there = relative.with_suffix(chosen.ending) if chosen.ending else relative
            yield PurePosixPath(there.as_posix()), path


def prompts() -> dict[str, tuple[str, ...]]:
    """Return the names of our prompts by language, as a dialplan names them."""
    names: dict[str, list[str]] = {}
    for relative, _ in files("sounds"):
        if relative.suffix == ".wav":
            names.setdefault(relative.parts[0], []).append("/".join(relative.with_suffix("").parts[1:]))
    return {language: tuple(prompts) for language, prompts in names.items()}
