"""What is in a PDF, as poppler reads it."""

import re
import subprocess
import zlib
from pathlib import Path


def about(pdf: bytes) -> dict[str, str]:
    """Return what pdfinfo prints: Title, Pages, Page size, and so on."""
    return dict(re.findall(r"(\w[\w ]+):\s+(.+)", _read("pdfinfo", "-", pdf=pdf)))


def language(pdf: bytes) -> str:
    """Return the language of its catalogue, which may be compressed; poppler does not show it."""
    parts = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    found = re.search(rb"/Lang \((\w+)\)", b"".join([pdf, *map(_inflated, parts)]))
    return found[1].decode() if found else ""


def _inflated(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return b""


def text(pdf: bytes) -> str:
    """Return the searchable text, each run of white space as one space."""
    return " ".join(_read("pdftotext", "-", "-", pdf=pdf).split())


def fonts(pdf: bytes) -> list[tuple[str, bool]]:
    """Return the names of the fonts, each with whether it is embedded."""
    head, rule, *lines = _read("pdffonts", "-", pdf=pdf).splitlines()
    assert head.split()[:1] == ["name"]
    at = head.index("emb")
    return [(line[: rule.index(" ")].strip(), line[at : at + 3].strip() == "yes") for line in lines]


def attached(pdf: bytes, folder: Path) -> str:
    """Return the list of the files that are attached to it."""
    file = folder / "made.pdf"
    file.write_bytes(pdf)
    return _read("pdfdetach", "-list", str(file), pdf=b"").strip()


def picture(pdf: bytes, path: Path) -> None:
    """Draw its first page as PNG."""
    _read("pdftoppm", "-png", "-r", "110", "-singlefile", "-", str(path.with_suffix("")), pdf=pdf)


def _read(*command: str, pdf: bytes) -> str:
    return subprocess.run(command, input=pdf, capture_output=True, check=True, timeout=60).stdout.decode()
