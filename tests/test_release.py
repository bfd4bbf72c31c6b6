"""A release has one version, the same bytes from the same commit, and a list of what it is made of."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Final

import pytest
import yaml

import siaga112
from tests import sbom

ROOT: Final = Path(__file__).parents[1]
EPOCH: Final = "1795910400"
SHIPPED: Final = (
    "share/asterisk/extensions_siaga112.conf",
    "share/config/siaga112.toml",
    "report/page.css",
    "console/templates/base.html.j2",
    "locale/id/LC_MESSAGES/siaga112.mo",
)
"""Files that a package could lack without an immediate error."""
LEFT_OUT: Final = shutil.ignore_patterns(".git", ".venv", ".ci", "build", "dist", "__pycache__", ".*_cache")


def built(folder: Path, umask: int) -> dict[str, bytes]:
    """Copy this tree under that umask, build the wheel and the sdist from it, and return their bytes."""
    before = os.umask(umask)
    try:
        tree = folder / "tree"
        shutil.copytree(ROOT, tree, ignore=LEFT_OUT, copy_function=shutil.copyfile)
        for script in (path for path in tree.rglob("*") if os.access(ROOT / path.relative_to(tree), os.X_OK)):
            script.chmod(script.stat().st_mode | (0o111 & ~umask))
    finally:
        os.umask(before)
    environ = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH}
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder / "dist")]
    subprocess.run(command, cwd=tree, env=environ, check=True, capture_output=True, timeout=150)
    return {path.name: path.read_bytes() for path in (folder / "dist").iterdir()}


@pytest.mark.slow
def test_the_same_tree_gives_the_same_wheel_and_sdist(tmp_path: Path) -> None:
    """Two copies of the tree, of other times and umasks, give the same wheel and sdist."""
    first, second = built(tmp_path / "one", 0o022), built(tmp_path / "two", 0o077)
    assert sorted(first) == sorted(second) == [
        f"siaga112-{siaga112.__version__}-py3-none-any.whl",
        f"siaga112-{siaga112.__version__}.tar.gz",
    ]  # fmt: skip
    assert [name for name in first if first[name] != second[name]] == []
    made = next(data for name, data in first.items() if name.endswith(".whl"))
    with zipfile.ZipFile(io.BytesIO(made)) as wheel:
        assert {f"siaga112/{name}" for name in SHIPPED} <= {*wheel.namelist()}


def test_the_version_stands_in_one_place() -> None:
    """The version comes from `siaga112.__version__` only, and the CHANGELOG's newest release has it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"]["path"] == "src/siaga112/__init__.py"
    sections = re.findall(r"^## \[(.+?)\](.*)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert next(name for name, _ in sections if name != "Unreleased") == siaga112.__version__
    for name, rest in sections:
        assert name == "Unreleased" or re.fullmatch(r" - [0-9]{4}-[0-9]{2}-[0-9]{2}", rest), name


def test_the_changelog_keeps_to_the_form() -> None:
    """The CHANGELOG has only the six kinds of change of Keep a Changelog."""
    kinds = re.findall(r"^### (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert {*kinds} <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_bill_of_materials_names_every_locked_package(tmp_path: Path) -> None:
    """Each locked package has its version, hashes and package URL; the same lock gives the same file."""
    pytest.importorskip("cyclonedx_py", reason="make sbom installs it")
    path = sbom.write(tmp_path / "one")
    found = json.loads(path.read_text("utf-8"))
    assert sbom.lacking(found) == []
    assert (found["bomFormat"], found["metadata"]["component"]["version"]) == (
        "CycloneDX", siaga112.__version__,
    )  # fmt: skip
    assert {"sqlalchemy", "psycopg", "phonenumberslite"} <= sbom.locked().keys()
    assert sbom.write(tmp_path / "two").read_bytes() == path.read_bytes()
    del found["components"][3]["externalReferences"]
    found["components"][4]["version"] = "0"
    assert len(sbom.lacking(found)) == 2


def test_the_image_says_what_it_is() -> None:
    """The image has the labels of OCI images, and its version is given when it is built."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    labels = set(re.findall(r"org\.opencontainers\.image\.(\w+)=", text))
    assert {"title", "description", "licenses", "version", "revision", "created"} <= labels
    build = (ROOT / "tests" / "image" / "build").read_text("utf-8")
    assert "--build-arg VERSION=" in build


def test_hooks_run_what_make_lint_runs_and_fetch_nothing() -> None:
    """pre-commit runs `make lint` in this tree, and fetches nothing from other repositories."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    assert {repo["repo"] for repo in hooks["repos"]} == {"local"}
    entries = [hook["entry"] for repo in hooks["repos"] for hook in repo["hooks"]]
    assert entries == ["make lint"]


def test_the_hosted_pipeline_runs_what_make_runs() -> None:
    """The pipeline runs only the Makefile's targets, on every supported Python, and may only read."""
    flow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    called = set()
    for job in flow["jobs"].values():
        for step in job["steps"]:
            called |= set(re.findall(r"\bmake ([a-z-]+)", step.get("run", "")))
    assert called <= targets
    assert {"lint", "check", "fast", "dist"} <= called
    assert flow["jobs"]["whole"]["strategy"]["matrix"]["target"] == ["test", "night"]
    versions = flow["jobs"]["fast"]["strategy"]["matrix"]["python"]
    assert versions == ["3.11", "3.12", "3.13", "3.14"]
    assert flow["permissions"] == {"contents": "read"}
