"""A release's bill of materials: `python -m tests.sbom FOLDER` writes it as CycloneDX JSON and checks it.

cyclonedx-py reads the lock, so each package has its version and the hashes that pip checks. The same lock
gives the same file.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import siaga112

ROOT: Final = Path(__file__).parents[1]
LOCK: Final = ROOT / "requirements-postgresql.lock"
_LOCKED: Final = re.compile(r"^([A-Za-z0-9_.-]+)==([^ ;\\]+)", re.MULTILINE)


def locked() -> dict[str, str]:
    """Return the packages of the lock, each with its version."""
    return {_plain(name): version for name, version in _LOCKED.findall(LOCK.read_text("utf-8"))}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def write(folder: Path) -> Path:
    """Write the bill of materials; return its path.

    Raises:
        subprocess.CalledProcessError: if cyclonedx-py is not installed (`make sbom`), or fails.

    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"siaga112-{siaga112.__version__}.cdx.json"
    tool = ("-m", "cyclonedx_py", "requirements", str(LOCK), "--pyproject", "pyproject.toml")
    form = ("--of", "JSON", "--sv", "1.6", "--mc-type", "application", "--output-reproducible")
    command = [sys.executable, *tool, *form, "-o", str(path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    found = json.loads(path.read_text("utf-8"))
    found["metadata"]["component"]["version"] = siaga112.__version__  # pyproject.toml takes it from there
    path.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n", "utf-8")
    return path


def lacking(found: dict[str, Any]) -> list[str]:
    """Return the locked packages that are missing, or have another version, no hash or no package URL."""
    there = {}
    for component in found["components"]:
        hashes = [one for ref in component.get("externalReferences", []) for one in ref.get("hashes", [])]
        there[_plain(component["name"])] = component.get("version"), bool(hashes), component.get("purl", "")
    wrong = []
    for name, version in locked().items():
        has, hashed, purl = there.get(name, (None, False, ""))
        if has != version or not hashed or not purl.startswith("pkg:pypi/"):
            wrong.append(f"{name} {version}")
    return wrong


def main() -> int:
    """Write the bill of materials and check it."""
    path = write(Path(sys.argv[1]))
    wrong = lacking(json.loads(path.read_text("utf-8")))
    print(f"{path}: {len(locked())} packages" if not wrong else f"{path} lacks: {', '.join(wrong)}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
