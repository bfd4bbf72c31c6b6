"""Build the documentation into build/site, and check it: `python -m tests.docs_site [--repository URL]`."""

import argparse
import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

from tests.docs_site import checking, pages


def built(site: Path, repository: str = "") -> None:
    """Build both languages' sites into one folder; a warning of the generator is an error."""
    folder = site.parent / "pages"
    pages.put(folder, repository)
    shutil.rmtree(site, ignore_errors=True)
    for language in pages.LANGUAGES:
        zensical = Path(sys.executable).with_name("zensical")
        subprocess.run([zensical, "build", "--strict"], cwd=folder / language, check=True, timeout=300)
        shutil.copytree(folder / language / "site", site / ("" if language == "en" else language))


def main() -> int:
    """Build and check; return 1 if anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.docs_site")
    parser.add_argument("--repository", default="", help="where the files of the repository can be seen")
    site = pages.ROOT / "build" / "site"
    built(site, parser.parse_args().repository)
    count, wrong = checking.broken(site)
    print(f"{len(checking.pages(site))} pages, {count} links on the site, {len(wrong)} of them broken")
    wrong += checking.unread(site)
    seen = asyncio.run(checking.looked_at(site))
    print(f"in Chromium on 390 px: {len(seen)} faults (other hosts, errors, pages that scroll sideways)")
    for line in [*wrong, *seen]:
        print(line)
    return 1 if wrong or seen else 0


if __name__ == "__main__":
    sys.exit(main())
