"""Examines the PBX and this machine: reads files and asks the console. Changes nothing."""

import asyncio
import glob
import grp
import hashlib
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from siaga112 import infile
from siaga112.app.older import waiting
from siaga112.errors import ConfigurationError, SiagaError, UnreachableError
from siaga112.reasons import plainly
from siaga112.settings.loading import load
from siaga112.setup import told, ways
from siaga112.setup.conf import Conf, absolute, included, read
from siaga112.setup.draft import EXAMPLE, Ours
from siaga112.setup.facts import Facts, Live, Machine, Pbx, Places, Trunk
from siaga112.setup.planning import OUR_PROGRAM, UNITS, USER, targets
from siaga112.shipped import catalogue

ASTERISK_CONF: Final = "/etc/asterisk/asterisk.conf"
PATIENCE_SECONDS: Final = 45.0
"""The default timeout of a command."""

_ROOTS: Final = (
    "extensions.conf", "manager.conf", "features.conf", "queues.conf", "modules.conf",
    "users.conf", "pjsip.conf", "sip.conf", "iax.conf", "chan_dahdi.conf",
)  # fmt: skip
_MOST: Final = 64 * infile.MIB
_SBIN: Final = "/usr/local/sbin:/usr/sbin:/sbin"
_FREEPBX_VERSION: Final = re.compile(r"<version>\s*([\w.]+)\s*</version>")
_FRAMEWORK: Final = "/var/www/html/admin/modules/framework/module.xml"
_MOST_ENDPOINTS: Final = 50
_ADDRESSES: Final = ("REDIS__URL", "DATABASE__URL")
"""Credentials that a command needs to open the records; only units receive them."""


def found(program: str) -> str | None:
    """Return the path of a program, also in `sbin`; None if it is not installed."""
    return shutil.which(program) or shutil.which(program, path=_SBIN)


class Console:
    """Runs commands of the PBX's console, and other programs."""

    def __init__(self, conf: str) -> None:
        """Use the Asterisk with this asterisk.conf.

        Raises:
            SiagaError: if Asterisk is not installed on this machine.

        """
        if (program := found("asterisk")) is None:
            raise SiagaError("no asterisk is on this machine: run setup where the PBX runs")
        self._asterisk = (program, *(() if conf == ASTERISK_CONF else ("-C", conf)))

    def ask(self, command: str) -> str:
        """Return the console's output for a command.

        Raises:
            UnreachableError: if Asterisk does not answer.

        """
        code, said = self.run(("asterisk", "-rx", command))
        if code or "Unable to connect to remote asterisk" in said:
            raise UnreachableError(
                f"Asterisk does not answer ({(said.strip() or 'no word').splitlines()[-1]}); is it running?"
            )
        return said

    def run(self, command: tuple[str, ...], seconds: float = PATIENCE_SECONDS) -> tuple[int, str]:
        """Run a command; return its exit code and its output, with stderr if it failed."""
        head = self._asterisk if command[0] == "asterisk" else (found(command[0]) or command[0],)
        try:
            ran = subprocess.run(  # noqa: S603 - commands of the plan, shown before they run
                [*head, *command[1:]],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return 124, f"{command[0]}: no answer within {seconds:g} s"
        except OSError as error:
            return 127, f"{command[0]}: {plainly(error)}"
        said = ran.stdout + (ran.stderr if ran.returncode else b"")
        return ran.returncode, said.decode("utf-8", "replace")


def places(config: Path) -> Places:
    """Return the paths of our own files, derived from the configuration's path."""
    return Places(
        str(config),
        str(config.parent / "credentials"),
        catalogue.SETS["systemd"].place,
        f"{catalogue.SETS['sysusers'].place}/siaga112.conf",
    )


def ours() -> Ours:
    """Read our files as shipped."""
    names = (
        "asterisk/extensions_siaga112.conf",
        "asterisk/features_siaga112.conf",
        "asterisk/manager.d/siaga112.conf",
        "config/systemd/siaga112.sysusers",
        EXAMPLE,
    )
    texts = {name: catalogue.text(name) for name in names}
    return Ours(
        texts,
        {str(name): path.read_bytes() for name, path in catalogue.files("sounds")},
        {str(name): path.read_bytes() for name, path in catalogue.files("systemd")},
    )


def look(
    console: Console, conf: str, where: Places, installed: Mapping[str, str], unfinished: Iterable[str]
) -> Facts:
    """Examine everything. `installed`: what earlier setups wrote, by paths without links.

    Raises:
        SiagaError: if a file of the PBX or of siaga112 cannot be read.
        UnreachableError: if Asterisk does not answer.

    """
    options = read(conf, {conf: _text(Path(conf))}, "")
    folders = told.folders(console.ask("core show settings"))
    etc = folders.get("Configuration directory", str(Path(conf).parent))
    files, unreadable = _files(etc)
    contexts, registrars = told.dialplan(console.ask("dialplan show"))
    modules = told.modules(console.ask("module show"))
    freepbx = (
        _freepbx(etc, files)
        if "from-pstn-custom" in getattr(contexts.get("from-pstn"), "includes", ())
        else ""
    )
    pbx = Pbx(
        told.version(console.ask("core show version")),
        conf,
        etc,
        folders.get("Data directory", "/var/lib/asterisk"),
        _group(folders.get("PID file", "/var/run/asterisk/asterisk.pid"), options),
        freepbx,
    )
    live = Live(
        contexts,
        registrars,
        told.globals_(console.ask("dialplan show globals")),
        told.queues(console.ask("queue show")) if "app_queue" in modules else {},
        modules,
        _trunks(console, etc, files, modules),
        console.ask("features show"),
    )
    bare = Facts(pbx, live, _machine(), where, files, {})
    there = {path: content for path in targets(bare, ours()) if (content := _bytes(Path(path))) is not None}
    return Facts(
        pbx,
        live,
        bare.machine,
        where,
        files,
        there,
        config_of(where.config, there.get(where.config), ours()),
        {path: installed[real] for path in there if (real := os.path.realpath(path)) in installed},
        frozenset(unfinished),
        unreadable,
        bare.machine.systemd
        and all(
            console.run(("systemctl", asked, "-q", UNITS[0]))[0] == 0 for asked in ("is-enabled", "is-active")
        ),
        _older(where),
        any(Path(where.credentials, name).exists() for name in _ADDRESSES),
    )


def _text(path: Path) -> str:
    try:
        return infile.read(path, _MOST).decode("utf-8", "surrogateescape")
    except OSError as error:
        raise SiagaError(
            f"{path}: cannot be read ({plainly(error)}); name the PBX's with --asterisk-conf"
        ) from error


def _bytes(path: Path) -> bytes | None:
    try:
        return infile.read(path, _MOST)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SiagaError(f"{path}: cannot be read ({plainly(error)}); run as root") from error


def _files(etc: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Read Asterisk's relevant files with their includes; return their texts, and the unreadable paths."""
    files: dict[str, str] = {}
    unreadable: list[str] = []
    waiting = [f"{etc}/{name}" for name in _ROOTS]
    for path in waiting:  # grows during the loop
        if path in files or path in unreadable:
            continue
        try:
            files[path] = infile.read(Path(path), _MOST).decode("utf-8", "surrogateescape")
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            unreadable.append(path)
            continue
        for _, _, name in included(files[path]):
            waiting += sorted(glob.glob(absolute(name, etc)))  # noqa: PTH207 - is absolute
    return files, tuple(unreadable)


def _freepbx(etc: str, files: Mapping[str, str]) -> str:
    if f"{etc}/extensions_custom.conf" not in files:
        return ""
    try:
        match = _FREEPBX_VERSION.search(infile.read(Path(_FRAMEWORK)).decode("utf-8", "replace"))
    except OSError:
        match = None
    return match[1] if match else "?"


def _group(pid_file: str, conf: Conf) -> str:
    """Return the group that Asterisk runs as: its process's, else the configured one."""
    try:
        pid = int(_text(Path(pid_file)).strip())
        return grp.getgrgid(Path(f"/proc/{pid}").stat().st_gid).gr_name
    except (SiagaError, ValueError, OSError, KeyError):
        return conf.value("options", "rungroup")


def _trunks(
    console: Console, etc: str, files: Mapping[str, str], modules: frozenset[str]
) -> tuple[Trunk, ...]:
    confs = {name: read(f"{etc}/{name}", files, etc) for name in _ROOTS}
    trunks = list(ways.trunks_of_files(confs))
    if "chan_pjsip" in modules:
        names = {trunk.name for trunk in trunks if trunk.technology == "PJSIP"}
        live = told.identified(console.ask("pjsip show endpoints"))[:_MOST_ENDPOINTS]
        trunks += [Trunk("PJSIP", name, "", "identify") for name in live if name not in names]
        trunks = [_as_loaded(console, trunk) if trunk.technology == "PJSIP" else trunk for trunk in trunks]
    used = {"PJSIP": "chan_pjsip", "SIP": "chan_sip", "IAX2": "chan_iax2", "DAHDI": "chan_dahdi"}
    return tuple(trunk for trunk in trunks if used[trunk.technology] in modules)


def _as_loaded(console: Console, trunk: Trunk) -> Trunk:
    """Return a trunk with its loaded context, whatever its file says."""
    context = told.parameter(console.ask(f"pjsip show endpoint {trunk.name}"), "context")
    return Trunk(trunk.technology, trunk.name, context or trunk.context or "default", trunk.evidence)


def _machine() -> Machine:
    beside = Path(sys.executable).with_name("siaga112")
    return Machine(
        socket.gethostname(),
        _timezone(),
        str(beside) if beside.exists() else OUR_PROGRAM,
        Path("/run/systemd/system").is_dir(),
        found("redis-server") is not None,
        _is(pwd.getpwnam, USER),
    )


def _is(of: Callable[[str], object], name: str) -> bool:
    try:
        of(name)
    except KeyError:
        return False
    return True


def _timezone() -> str:
    """Return the machine's time zone; '' for UTC: common on servers, but not an emergency centre's zone."""
    zone = os.path.realpath("/etc/localtime").partition("/zoneinfo/")[2]
    return zone if "/" in zone and not zone.startswith(("Etc/", "posix/", "right/")) else ""


def config_of(path: str, content: bytes | None, ours: Ours) -> Mapping[str, object] | None:
    """Parse siaga112's configuration; None if there is none, or only the example of a package.

    Raises:
        ConfigurationError: if it is not valid TOML.

    """
    if content is None or ours.is_example(content):
        return None
    try:
        return tomllib.loads(content.decode("utf-8"))
    except ValueError as error:
        raise ConfigurationError(f"{path}: not valid TOML: {' '.join(str(error).split())[:200]}") from error


def _older(where: Places) -> bool:
    """Return whether Redis has data of siaga112 before 0.1.0 that was not migrated yet."""
    try:
        given = {
            f"SIAGA112_{name}": infile.read(path).decode("utf-8").strip()
            for name in _ADDRESSES
            if (path := Path(where.credentials, name)).exists()
        }
        return asyncio.run(waiting(load(Path(where.config), {**os.environ, **given})))
    except (SiagaError, OSError, ValueError):  # the doctor reports what is unreadable or silent
        return False


def digest(content: bytes) -> str:
    """Return the name of a stored content: its SHA-256."""
    return hashlib.sha256(content).hexdigest()
