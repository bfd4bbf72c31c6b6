"""The repository's pages, in the Markdown and the folders that the site's generator reads.

The pages are written for a forge. The generator differs in four ways: lists nest by four spaces, a list needs
a blank line before it, a bar in code in a table needs no backslash, and files outside of docs/ do not exist.
So a link to a page becomes one to its place on the site, a link to another file its path in the repository.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

ROOT: Final = Path(__file__).parents[2]
HERE: Final = Path(__file__).parent
LANGUAGES: Final = ("en", "id")
GUIDE: Final = "docs/panduan.md"
"""The only page in Indonesian, and the first page of the Indonesian site."""

PLACES: Final = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
    "docs/decisions/README.md": "decisions/index.md",
}
"""Pages that are not in the same place as below docs/, and where they are on the site."""

INDEX: Final = "decisions/index.md"
IMAGES: Final = frozenset({".png", ".svg"})
LINK: Final = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
ITEM: Final = re.compile(r"( *)([-*+]|\d+[.)])( +)(?=\S)")
FENCE: Final = re.compile(r" *(`{3,}|~{3,})")


def tracked() -> list[str]:
    """Return the names of the repository's files."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True, text=True, check=True, cwd=ROOT, timeout=60)  # fmt: skip
    return [name for name in listed.stdout.splitlines() if (ROOT / name).exists()]


def place(name: str) -> str | None:
    """Return where a file of the repository is on the site, from its root; None if it is not there."""
    if name == GUIDE:
        return "id/index.md"
    if name in PLACES:
        return PLACES[name]
    path = PurePosixPath(name)
    if path.parts[0] == "docs" and (path.suffix == ".md" or path.suffix in IMAGES):
        return str(PurePosixPath(*path.parts[1:]))
    if path.parts[0] == "benchmarks" and path.suffix in IMAGES:
        return f"images/{path.name}"
    return None


def masked(text: str) -> str:
    """Return the text with all code replaced by as many letters, so that no link is found there."""
    hidden = re.sub(
        r"^( *)(`{3,}).*?^\1\2 *$",
        lambda block: re.sub(r"[^\n]", "x", block[0]),
        text,
        flags=re.DOTALL | re.MULTILINE,
    )
    return re.sub(r"`[^`\n]*`", lambda code: "x" * len(code[0]), hidden)


def linked(text: str, name: str, repository: str = "") -> str:
    """Return a page of the repository with its links rewritten for the site.

    Args:
        text: the page
        name: its path in the repository
        repository: the repository's address, to which a file's path is added; '' if there is none

    """
    parts, at = [], 0
    for link in LINK.finditer(masked(text)):
        image, target = link[1], link[3]
        said = text[link.start(2) : link.end(2)]
        parts += [text[at : link.start()], _link(image, said, target, name, repository)]
        at = link.end()
    return "".join([*parts, text[at:]])


def _link(image: str, said: str, target: str, name: str, repository: str) -> str:
    if re.match(r"[a-z]+:|#", target):
        return f"{image}[{said}]({target})"
    file, _, anchor = target.partition("#")
    path = os.path.normpath(PurePosixPath(name).parent / file)
    if (ROOT / path / "README.md").exists() and place(f"{path}/README.md"):
        path += "/README.md"
    ours, there = place(name), place(path)
    assert ours
    if there is None:
        if repository:
            return f"[{said}]({repository.rstrip('/')}/{path})"
        return said if path in said else f"{said} (`{path}`)"
    way = os.path.relpath(there, PurePosixPath(ours).parent) + (f"#{anchor}" if anchor else "")
    if not image and (path == GUIDE) != (
        name == GUIDE
    ):  # on the other language's site, which this one does not know
        words = re.sub(r"`([^`]*)`", r"<code>\1</code>", said)
        return f'<a href="{way.replace(".md", ".html", 1)}">{words}</a>'
    return f"{image}[{said}]({way.removeprefix('../') if name == GUIDE else way})"


def nested(text: str) -> str:
    """Indent lists by four spaces a level, with a blank line before each."""
    return "\n".join(_nested(text.split("\n")))


def _nested(lines: list[str]) -> Iterator[str]:
    stack: list[int] = []  # the column of each open item's text
    fence, listed, begins = (
        "",
        False,
        True,
    )  # whether the current block is a list; whether a block begins
    for line in lines:
        indent = len(line) - len(line.lstrip(" "))
        if not line.strip():
            yield ""
            begins = True
            continue
        item = None if fence else ITEM.match(line)
        if not fence and (item or begins):
            while stack and indent < stack[-1]:
                stack.pop()
        depth = sum(indent >= column for column in stack)
        shift = stack[depth - 1] if depth else 0
        if item and indent - shift < 4:  # more is code
            if not begins and not listed:
                yield ""
            stack = [*stack[:depth], len(item[0])]
            yield " " * 4 * depth + f"{item[2]:<3} " + line[item.end() :]
            listed = True
        else:
            yield " " * 4 * depth + line[shift:]
            listed = listed and not begins
        begins = False
        if found := FENCE.match(line):
            fence = "" if fence and line.strip().startswith(fence) else fence or found[1]


def barred(text: str) -> str:
    """Remove the backslash from a bar in code in a table."""
    return re.sub(
        r"^\|.*$",
        lambda row: re.sub(r"`[^`\n]*`", lambda code: code[0].replace("\\|", "|"), row[0]),
        text,
        flags=re.MULTILINE,
    )


def put(folder: Path, repository: str = "") -> dict[str, list[str]]:
    """Write each language's site into a folder of its own, ready to build; return their pages."""
    shutil.rmtree(folder, ignore_errors=True)
    pages: dict[str, list[str]] = {language: [] for language in LANGUAGES}
    for name in tracked():
        there = place(name)
        if there is None:
            continue
        if name.endswith(".md"):
            language = "id" if name == GUIDE else "en"
            path = there.removeprefix("id/") if language == "id" else there
            text = barred(nested(linked((ROOT / name).read_text("utf-8"), name, repository)))
            _write(folder / language / "docs" / path, text)
            pages[language].append(path)
        else:
            for language in LANGUAGES:
                if language == "en" or there.startswith("images/konsol-"):
                    target = folder / language / "docs" / there
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(ROOT / name, target)
    for language in LANGUAGES:
        shutil.copy(HERE / "site.css", folder / language / "docs" / "site.css")
        _write(folder / language / "zensical.toml", _configuration(language, pages[language]))
    return pages


def _configuration(language: str, pages: list[str]) -> str:
    """Return the configuration with the decisions, and with the pages that it does not name."""
    text = (HERE / f"{language}.toml").read_text("utf-8")
    decisions = sorted(
        (page for page in pages if page.startswith("decisions/")), key=lambda page: (page != INDEX, page)
    )
    more = [page for page in pages if f'"{page}"' not in text and page not in decisions]
    for mark, found in (("decisions", decisions), ("more", more)):
        text = text.replace(f"# {mark}\n", "".join(f'"{page}",\n' for page in found))
    return text


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
