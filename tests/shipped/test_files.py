"""`siaga112 files`, run from the installed wheel, without the checkout."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from siaga112.shipped import catalogue
from tests.waiting import ENDS_SECONDS

ROOT = Path(__file__).parents[2]
USER_FILE = "manager.d/siaga112.conf"

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from the sdist, as `pip wheel` does from a release; return its path."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run([*build, "-t", "sdist"], cwd=ROOT, check=True, capture_output=True, timeout=60)
    (sdist,) = folder.glob("*.tar.gz")
    subprocess.run(["tar", "xzf", sdist, "-C", folder], check=True, timeout=60)
    unpacked = folder / sdist.name.removesuffix(".tar.gz")
    subprocess.run([*build, "-t", "wheel"], cwd=unpacked, check=True, capture_output=True, timeout=60)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def siaga112(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Install the wheel into a new environment, with this one's libraries; return a way to run it."""
    home = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True, timeout=60)
    pip = [sys.executable, "-m", "pip", "--python", str(home / "bin/python")]
    subprocess.run([*pip, "install", "-q", "--no-deps", "--no-index", wheel], check=True, timeout=60)
    environ = {**os.environ, "PYTHONPATH": sysconfig.get_path("purelib")}

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [home / "bin/siaga112", *arguments]
        return subprocess.run(
            command, env=environ, cwd=home, check=False, capture_output=True, text=True, timeout=60
        )

    return run


def rows(ended: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return the rows that the command listed, by file."""
    assert ended.returncode == 0, ended.stderr
    return {row["file"]: row for row in json.loads(ended.stdout)}


def ours(name: str) -> str:
    """Return the text of one of our files for Asterisk, from the checkout."""
    return (ROOT / "asterisk" / name).read_text("utf-8")


PROMPTS_SOURCES = {"asterisk/sounds/make-prompts", "asterisk/sounds/prompts.toml"}


def shipped() -> list[str]:
    """Return the files of the repository that users install, without the sources they are made from."""
    said = subprocess.run(
        ["git", "ls-files", "asterisk", "config", "docs/runbook.md"],
        cwd=ROOT, check=True, capture_output=True, text=True, timeout=ENDS_SECONDS,
    ).stdout.splitlines()  # fmt: skip
    return sorted(name for name in said if not name.endswith(".py") and name not in PROMPTS_SOURCES)


def test_the_wheel_carries_every_file_of_a_set_and_nothing_else(wheel: Path) -> None:
    """The wheel's share has the sets' files, byte for byte, the sources of the prompts, and nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        prefix = "siaga112/share/"
        carried = [name.removeprefix(prefix) for name in archive.namelist() if name.startswith(prefix)]
        assert sorted(carried) == sorted({*shipped(), *PROMPTS_SOURCES})
        for name in carried:
            assert archive.read(prefix + name) == (ROOT / name).read_bytes()


def test_every_file_is_in_one_set() -> None:
    """Every shipped file is in exactly one set."""
    listed = [
        path.relative_to(ROOT).as_posix() for name in catalogue.SETS for _, path in catalogue.files(name)
    ]
    assert sorted(listed) == shipped()


def test_a_checkout_and_the_wheel_copy_the_same(siaga112: Run, tmp_path: Path) -> None:
    """A checkout copies the same files as the wheel: no sources, no caches, no leftovers of an editor."""
    litter = [
        ROOT / folder / name
        for folder in sorted({one.folder for one in catalogue.SETS.values()} - {"docs"})
        for name in ("litter.conf~", ".litter.conf.swp", "__pycache__/litter.cpython-311.pyc", "litter.new")
    ]
    made = [path for path in litter if not path.parent.exists()]
    try:
        for path in litter:
            path.parent.mkdir(exist_ok=True)
            path.write_text("")
        checkout = {(name, str(there)) for name in catalogue.SETS for there, _ in catalogue.files(name)}
    finally:
        for path in litter:
            path.unlink()
        for path in made:
            path.parent.rmdir()
    assert siaga112("files", "--to", tmp_path).returncode == 0
    copied = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    assert {(path.parts[0], Path(*path.parts[1:]).as_posix()) for path in copied} == checkout


def test_grafana_finds_the_dashboards_where_its_provisioning_looks(siaga112: Run, tmp_path: Path) -> None:
    """In /etc/grafana, the provider's path is a folder with all three dashboards and nothing else."""
    usual = Path(catalogue.SETS["grafana"].place)
    assert siaga112("files", "grafana", "--to", tmp_path / usual.relative_to("/")).returncode == 0
    etc = tmp_path / usual.relative_to("/")
    (provisioning,) = (etc / "provisioning/dashboards").iterdir()
    (provider,) = yaml.safe_load(provisioning.read_text("utf-8"))["providers"]
    folder = tmp_path / Path(provider["options"]["path"]).relative_to("/")
    assert {json.loads(path.read_text("utf-8"))["uid"] for path in folder.iterdir()} == {
        *("siaga112-wall", "siaga112-misuse", "siaga112-health")
    }
    assert {path.suffix for path in etc.rglob("*") if path.is_file()} == {".json", ".yaml"}
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]["grafana"]["volumes"]
    mounted = dict(volume.split(":")[:2] for volume in compose if volume.startswith("./"))
    here, there = next((a, b) for a, b in mounted.items() if provider["options"]["path"].startswith(b))
    assert (ROOT / here / Path(provider["options"]["path"]).relative_to(there) / "wall.json").is_file()


def test_prometheus_takes_the_copied_files(siaga112: Run, tmp_path: Path) -> None:
    """Prometheus accepts the copied prometheus.yml, and finds both rule files from it."""
    assert siaga112("files", "prometheus", "--to", tmp_path).returncode == 0
    said = subprocess.run(
        ["promtool", "check", "config", tmp_path / "prometheus.yml"],
        capture_output=True,
        text=True,
        check=False,
        timeout=ENDS_SECONDS,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    assert "SUCCESS: 2 rule files found" in said.stdout


def test_alertmanager_takes_the_copied_files(siaga112: Run, tmp_path: Path) -> None:
    """Alertmanager accepts the copied alertmanager.yml, and finds the template from it."""
    assert siaga112("files", "alertmanager", "--to", tmp_path).returncode == 0
    said = subprocess.run(
        ["amtool", "check-config", tmp_path / "alertmanager.yml"],
        capture_output=True,
        text=True,
        check=False,
        timeout=ENDS_SECONDS,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    assert "1 templates" in said.stdout


def test_systemd_makes_the_user_from_the_copied_file(siaga112: Run, tmp_path: Path) -> None:
    """Only units go to systemd's folder; the user's file goes to systemd-sysusers, which makes the user."""
    assert {Path(row).suffix for row in rows(siaga112("files", "systemd", "--json"))} == {
        ".service",
        ".socket",
        ".target",
        ".timer",
    }
    (there,) = rows(siaga112("files", "sysusers", "--json"))
    assert there == "/etc/sysusers.d/siaga112.conf"
    siaga112("files", "sysusers", "--to", tmp_path / "etc/sysusers.d")
    subprocess.run(
        ["systemd-sysusers", f"--root={tmp_path}"], check=True, capture_output=True, timeout=ENDS_SECONDS
    )
    assert "siaga112:" in (tmp_path / "etc/passwd").read_text("utf-8")


def addresses(folder: Path) -> list[str]:
    """Return the runbook's address in each alert, as Prometheus passes it on."""
    groups = yaml.safe_load((folder / "siaga112.alerts.yml").read_text("utf-8"))["groups"]
    return [rule["annotations"]["runbook_url"] for group in groups for rule in group["rules"]]


def test_the_alerts_name_the_runbook_by_its_whole_address(siaga112: Run, tmp_path: Path) -> None:
    """Alerts link to --runbook-url, else to [metrics] runbook_url, else to the runbook of `files doc`."""
    assert siaga112("files", "prometheus", "--to", tmp_path / "plain").returncode == 0
    here = f"file://{catalogue.SETS['doc'].place}/runbook.md"
    assert {url.partition("#")[0] for url in addresses(tmp_path / "plain")} == {here}
    (tmp_path / "our.toml").write_text('[metrics]\nrunbook_url = "https://wiki.example/siaga112/runbook"\n')
    ours = ("--config", tmp_path / "our.toml", "files", "prometheus", "--to")
    assert siaga112(*ours, tmp_path / "set").returncode == 0
    assert "https://wiki.example/siaga112/runbook#redis-down" in addresses(tmp_path / "set")
    assert siaga112(*ours, tmp_path / "given", "--runbook-url", "http://10.0.0.1/rb").returncode == 0
    given = addresses(tmp_path / "given")
    assert {url.partition("#")[0] for url in given} == {"http://10.0.0.1/rb"}
    assert len(set(given)) == len(given)
    again = rows(siaga112(*ours, tmp_path / "set", "--json"))
    assert {row["there"] for row in again.values()} == {"same"}
    subprocess.run(
        ["promtool", "check", "rules", tmp_path / "given/siaga112.alerts.yml"],
        check=True,
        capture_output=True,
        timeout=ENDS_SECONDS,
    )


@pytest.mark.parametrize(
    "address", ["docs/runbook.md", "/runbook", "https://wiki.example/a#b", "wiki.example"]
)
def test_a_runbook_that_is_no_whole_address_is_refused(siaga112: Run, tmp_path: Path, address: str) -> None:
    """An invalid runbook address is rejected, with exit code 2 or 3, and nothing is written."""
    assert siaga112("files", "prometheus", "--to", tmp_path, "--runbook-url", address).returncode == 2
    (tmp_path / "our.toml").write_text(f'[metrics]\nrunbook_url = "{address}"\n')
    ended = siaga112("--config", tmp_path / "our.toml", "files", "prometheus", "--to", tmp_path)
    assert (ended.returncode, "metrics.runbook_url" in ended.stderr) == (3, True)
    assert [path.name for path in tmp_path.iterdir()] == ["our.toml"]


def test_it_lists_what_there_is_and_where_it_goes(siaga112: Run) -> None:
    """Without --to, each file is listed at its usual place, and nothing is written."""
    found = rows(siaga112("files", "--json"))
    assert found["/etc/asterisk/extensions_siaga112.conf"]["set"] == "asterisk"
    assert found["/usr/share/asterisk/sounds/id/siaga112/menu.wav"]["set"] == "sounds"
    assert found["/etc/prometheus/siaga112.rules.yml"]["set"] == "prometheus"
    assert {row["writes"] for row in found.values()} == {None}


def test_it_copies_a_set_into_a_folder(siaga112: Run, tmp_path: Path) -> None:
    """A set is copied byte for byte, with its folders; a second time, there is nothing to do."""
    found = rows(siaga112("files", "asterisk", "--to", tmp_path, "--json"))
    assert {row["there"] for row in found.values()} == {"absent"}
    assert (tmp_path / USER_FILE).read_text("utf-8") == ours(USER_FILE)
    assert (tmp_path / "extensions_siaga112.conf").read_text("utf-8") == ours("extensions_siaga112.conf")
    again = rows(siaga112("files", "asterisk", "--to", tmp_path, "--json"))
    assert {(row["there"], row["writes"]) for row in again.values()} == {("same", None)}


def test_it_never_overwrites_what_somebody_edited(siaga112: Run, tmp_path: Path) -> None:
    """An edited file stays; ours is written beside it once, under a name that Asterisk does not include."""
    siaga112("files", "asterisk", "--to", tmp_path)
    edited = ours(USER_FILE).replace("change-me", "a secret of our own")
    (tmp_path / USER_FILE).write_text(edited, "utf-8")
    beside = tmp_path / "manager.d/siaga112.conf.new"
    planned = rows(siaga112("files", "asterisk", "--to", tmp_path, "--dry-run", "--json"))
    assert planned[str(tmp_path / USER_FILE)]["writes"] == str(beside)
    assert not beside.exists()
    done = rows(siaga112("files", "asterisk", "--to", tmp_path, "--json"))
    assert done == planned
    assert (tmp_path / USER_FILE).read_text("utf-8") == edited
    assert beside.read_text("utf-8") == ours(USER_FILE)
    again = rows(siaga112("files", "asterisk", "--to", tmp_path, "--json"))
    assert {row["writes"] for row in again.values()} == {None}


def test_it_shows_what_ours_would_change(siaga112: Run, tmp_path: Path) -> None:
    """`--diff` writes nothing, and prints a unified diff from the existing file to ours."""
    siaga112("files", "asterisk", "--to", tmp_path)
    (tmp_path / USER_FILE).write_text(ours(USER_FILE).replace("change-me", "our own"), "utf-8")
    before = sorted(tmp_path.rglob("*"))
    ended = siaga112("files", "asterisk", "--to", tmp_path, "--diff")
    assert "-secret = our own\n+secret = change-me\n" in ended.stdout
    assert ended.stdout.count("@@") == 2
    assert sorted(tmp_path.rglob("*")) == before


def test_all_sets_go_into_folders_of_their_names(siaga112: Run, tmp_path: Path) -> None:
    """Without a set, all sets are copied, each into a folder of its name."""
    assert siaga112("files", "--to", tmp_path).returncode == 0
    assert (tmp_path / "sounds/en/siaga112/menu.wav").is_file()
    assert (tmp_path / "config/siaga112.toml").is_file()
    assert (tmp_path / "asterisk/extensions_siaga112.conf").is_file()


def test_a_place_that_cannot_be_written_is_told_in_a_line(siaga112: Run, tmp_path: Path) -> None:
    """If a folder cannot be made, the error is one line that names it, without a traceback."""
    (tmp_path / "in the way").write_text("")
    ended = siaga112("files", "config", "--to", tmp_path / "in the way")
    assert ended.returncode == 1
    assert ended.stderr.startswith("siaga112: ")
    assert len(ended.stderr.splitlines()) == 1
    assert "in the way" in ended.stderr


def test_an_unknown_set_is_a_usage_error(siaga112: Run) -> None:
    """An unknown set is a usage error that names the known sets."""
    ended = siaga112("files", "asterix")
    assert ended.returncode == 2
    assert "asterisk" in ended.stderr
