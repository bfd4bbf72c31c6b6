"""Links in the documentation lead to files that exist and to headings that these files have."""

import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
LINK: Final = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def pages() -> list[str]:
    """Return the names of all Markdown pages of the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        capture_output=True, text=True, check=True, cwd=ROOT, timeout=60)  # fmt: skip
    return listed.stdout.split()


def prose(page: Path) -> str:
    """Return a page without code, in which brackets have other meanings."""
    text = re.sub(r"^( *)```.*?^\1```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*`", lambda code: "x" * len(code[0]), text)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page, made from its headings as a forge does."""
    text = re.sub(r"^( *)```.*?^\1```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    names: set[str] = set()
    found: Counter[str] = Counter()
    for heading in re.findall(r"^#{1,6} +(.+?) *$", text, re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", LINK.sub(lambda m: m[0][1:].split("]")[0], heading).lower())
        slug = slug.replace(" ", "-")
        names.add(f"{slug}-{found[slug]}" if found[slug] else slug)
        found[slug] += 1
    return names


@pytest.mark.parametrize("name", pages())
def test_every_link_of_a_page_leads_somewhere(name: str) -> None:
    """Each relative link names a file of the repository, and its anchor a heading of that file."""
    page = ROOT / name
    for target in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        place = (page.parent / file).resolve() if file else page
        assert place.exists(), f"{name}: {target} is not there"
        assert place.is_relative_to(ROOT), f"{name}: {target} is outside of the repository"
        if anchor:
            assert anchor in anchors(place), (
                f"{name}: {target} is no heading there ({sorted(anchors(place))})"
            )


def test_a_broken_link_would_be_seen(tmp_path: Path) -> None:
    """Anchors come from the text of headings, without markup; repeats are numbered, code blocks ignored."""
    page = tmp_path / "page.md"
    page.write_text("# `[redis] url`: a *way*\n## Twice\n```\n# not one\n```\n## Twice\n## Twice\n", "utf-8")
    assert anchors(page) == {"redis-url-a-way", "twice", "twice-1", "twice-2"}


def test_the_indonesian_guide_has_the_commands_of_the_manual() -> None:
    """docs/panduan.md has each command of the manual's chapters on the desks, and each `*7x` key."""

    def commands(page: str) -> set[str]:
        return set(re.findall(r"siaga112 ([a-z]+(?: (?:off|--proposed|--done))?)", page))

    manual = (ROOT / "docs" / "manual.md").read_text("utf-8")
    desks = manual.partition("\n## The operator's desk\n")[2].partition("\n### The line, live")[0]
    guide = (ROOT / "docs" / "panduan.md").read_text("utf-8")
    assert commands(desks) <= commands(guide)
    for key in re.findall(r"\*7\d", manual):
        assert f"`{key}`" in guide


DECISIONS: Final = sorted(path for path in (ROOT / "docs/decisions").glob("*.md") if path.name != "README.md")


@pytest.mark.parametrize("page", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_begins_with_its_date_and_status_and_is_in_the_index(page: Path) -> None:
    """A decision begins with its title, date and status, and the index shows all three."""
    found = re.match(r"# (.+)\n\n- Date: (\d{4}-\d\d-\d\d)\n- Status: (.+)\n\n", page.read_text("utf-8"))
    assert found
    title, date, status = found.groups()
    assert f"| [{title}]({page.name}) | {date} | {status} |\n" in page.with_name("README.md").read_text(
        "utf-8"
    )


@pytest.mark.parametrize("name", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_a_file_that_the_developers_pages_name_is_there(name: str) -> None:
    """Each file that a developers' page names exists, relative to the repository or to a package."""
    text = (ROOT / name).read_text("utf-8")
    named = set(re.findall(r"`((?:[\w.]+/)*[\w.]+\.(?:py|md|toml|conf|css|lock))`", text))
    roots = (ROOT, ROOT / "src/siaga112", ROOT / "src/siaga112/adapters/database")
    assert len(named) > 3
    assert sorted(file for file in named if not any((root / file).exists() for root in roots)) == []
