"""The systemd units and compose.yaml. `make image-check` tests the image itself."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from siaga112.settings.schema import Settings
from tests.faults.figures import Measured

ROOT = Path(__file__).parents[1]
UNITS = ROOT / "config" / "systemd"
HALVES = ("siaga112-track.service", "siaga112-screen.service")
CONSOLE = "siaga112-console.service"
BACKUP = "siaga112-backup.service"
DOCTOR = "siaga112-doctor.service"
EXPOSURE = 1.5


def directives(unit: str) -> set[str]:
    """Return a unit's lines without comments."""
    text = (UNITS / unit).read_text("utf-8")
    return {line for line in text.splitlines() if line and not line.startswith("#")}


def analyze(*arguments: str) -> str:
    """Run systemd-analyze; return everything that it prints."""
    ended = subprocess.run(
        ["systemd-analyze", "--no-pager", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=UNITS,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


@pytest.mark.fault("unit")
@pytest.mark.parametrize("unit", [*HALVES, CONSOLE, BACKUP, DOCTOR])
def test_a_unit_exposes_little(unit: str, measured: Measured) -> None:
    """`systemd-analyze security` rates the exposure of each unit at 1.5 of 10 at most."""
    said = analyze("security", "--offline=true", f"./{unit}")
    found = re.search(rf"Overall exposure level for {unit}: ([0-9.]+)", said)
    assert found, said
    measured("score", float(found[1]), at_most=EXPOSURE)


def test_systemd_understands_every_line(tmp_path: Path) -> None:
    """`systemd-analyze verify` finds no fault in the units, installed as the manual says."""
    units = tmp_path / "etc/systemd/system"
    shutil.copytree(UNITS, units)
    for program in ("opt/siaga112/bin/siaga112", "bin/kill", "bin/sh"):
        (tmp_path / program).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / program).write_text("#!/bin/sh\n")
        (tmp_path / program).chmod(0o755)
    for target in ("sysinit", "basic", "shutdown", "network", "multi-user", "sockets", "timers"):
        shutil.copy(f"/usr/lib/systemd/system/{target}.target", units)
    more = ("siaga112-screen.socket", "siaga112.target", "siaga112-backup.timer")
    names = (*HALVES, CONSOLE, *more, BACKUP, DOCTOR)
    assert (
        analyze(f"--root={tmp_path}", "verify", *(str(Path("/etc/systemd/system") / name) for name in names))
        == ""
    )


def test_the_halves_are_guarded_alike() -> None:
    """The units of the two halves differ only in `Description`, `Wants`, `After` and `ExecStart`."""
    track, screen = (directives(unit) for unit in HALVES)
    own = ("Description=", "Wants=", "After=", "ExecStart=")
    assert [line for line in track ^ screen if not line.startswith(own)] == []


def test_the_console_is_shut_in_as_the_halves_are_and_stands_behind_them() -> None:
    """The console's unit differs from the halves' only in what it starts, restart delay and lower limits."""
    own = ("Description=", "Wants=", "After=", "ExecStart=", "RestartSec=", "LimitNOFILE=")
    behind = {"Nice=10", "CPUWeight=20", "IOWeight=20", "MemoryHigh=300M", "MemoryMax=400M", "TasksMax=64"}
    differs = directives(CONSOLE) ^ directives(HALVES[0])
    assert {line for line in differs if not line.startswith(own)} == behind
    assert behind <= directives(CONSOLE)


def test_the_doctor_is_shut_in_as_the_console_is() -> None:
    """The doctor's unit differs from the console's only in what it starts, its timing and its memory."""
    own = ("Description=", "After=", "ExecStart=", "ExecReload=", "WatchdogSec=", "RestartSec=", "Memory")
    assert [line for line in directives(DOCTOR) ^ directives(CONSOLE) if not line.startswith(own)] == []


def test_the_console_neither_holds_up_the_halves_nor_is_held_up_by_them() -> None:
    """The halves and the console do not need each other to start; the console follows the tracking half."""
    for unit in (*HALVES, "siaga112-screen.socket"):
        assert not [line for line in directives(unit) if "console" in line]
    needs = ("Requires=", "BindsTo=", "Requisite=", "Wants=")
    assert not [line for line in directives(CONSOLE) if line.startswith(needs)]
    (after,) = (line for line in directives(CONSOLE) if line.startswith("After="))
    assert "siaga112-track.service" in after.split()
    (wants,) = (line for line in directives("siaga112.target") if line.startswith("Wants="))
    assert {*HALVES, CONSOLE} <= {*wants.removeprefix("Wants=").split()}


@pytest.mark.parametrize("unit", [*HALVES, CONSOLE, DOCTOR])
def test_a_unit_starts_again_unless_the_configuration_is_bad(unit: str) -> None:
    """A unit always restarts, except after exit code 3: a bad configuration needs a person."""
    expected = {"Restart=always", "RestartPreventExitStatus=3", "StartLimitIntervalSec=0", "Type=notify"}
    assert expected <= directives(unit)


def test_compose_is_of_the_compose_specification() -> None:
    """compose.yaml follows the specification's own JSON schema."""
    tool = Path(sys.executable).with_name("check-jsonschema")
    ended = subprocess.run(
        [tool, "--builtin-schema", "vendor.compose-spec", ROOT / "compose.yaml"],
        capture_output=True, text=True, check=False, timeout=60)  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.night
def test_compose_itself_understands_it(tmp_path: Path) -> None:
    """docker-compose accepts the file with the three secrets that its head names, and with no fewer."""
    secrets = {"SIAGA112_AMI__SECRET": "one", "REDIS_PASSWORD": "two", "GRAFANA_PASSWORD": "three"}

    def config(environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
        command = ["docker-compose", "-f", str(ROOT / "compose.yaml"), "--profile", "lab", "config"]
        environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **environ}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environ, timeout=60)

    ended = config(secrets)
    assert ended.returncode == 0, ended.stderr
    services = yaml.safe_load(ended.stdout)["services"]
    assert set(services) == {"track", "screen", "console", "redis", "prometheus", "grafana", "asterisk"}
    assert services["screen"]["environment"]["SIAGA112_AMI__SECRET"] == "one"
    for missing in secrets:
        refused = config({name: value for name, value in secrets.items() if name != missing})
        assert refused.returncode != 0
        assert missing in refused.stdout + refused.stderr


@pytest.mark.parametrize("service", ["track", "screen", "console", "redis", "prometheus", "grafana"])
def test_what_compose_mounts_is_there(service: str) -> None:
    """Every file that a service mounts exists: otherwise an engine would make a folder in its place."""
    said = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"][service]
    sources = [volume.split(":")[0] for volume in said["volumes"]]
    assert all((ROOT / source).exists() for source in sources if source.startswith("."))


@pytest.mark.parametrize("service", ["track", "screen", "console", "redis"])
def test_compose_shuts_our_services_in(service: str) -> None:
    """Our services have no capabilities, no new privileges and a read-only root file system."""
    said = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"][service]
    assert said["read_only"] is True
    assert said["cap_drop"] == ["ALL"]
    assert said["security_opt"] == ["no-new-privileges:true"]


def test_compose_asks_the_console_where_it_listens() -> None:
    """All three parts run from one image, and a health check asks the part's own port."""
    services = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]
    ports = {"screen": Settings().metrics.screen_port, "console": Settings().console.port}
    for name, port in ports.items():
        assert f"http://127.0.0.1:{port}/healthz" in services[name]["healthcheck"]["test"][-1]
    for name in ("track", "screen", "console"):
        assert services[name]["command"] == ["run", "--only", name]
        assert services[name]["image"] == services["track"]["image"]


_ONE_UNIT = r"(?: -u)? '?siaga112[^\s`\"']*'?"
UNIT = re.compile(rf"(?:systemctl [a-z-]+(?: --now)?|journalctl)({_ONE_UNIT}(?:{_ONE_UNIT})*)")


def test_every_unit_that_we_name_exists() -> None:
    """Every systemd unit that the code, the docs or the README name exists; none is siaga112.service."""
    names = {unit.name for unit in UNITS.iterdir()}
    told = [*(ROOT / "src").rglob("*.py"), *(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
    named = {
        (path.name, unit.strip("',;.:)"))
        for path in told
        for said in UNIT.findall(path.read_text("utf-8"))
        for unit in said.split()
        if unit != "-u"
    }
    assert len(named) > 10
    missing = [
        (file, unit) for file, unit in named if not {unit, f"{unit}.service"} & names and "*" not in unit
    ]
    assert missing == []
