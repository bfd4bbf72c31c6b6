"""PDF needs software that may be missing; then one line says so, with the remedy."""

from pathlib import Path

import pytest

from siaga112.adapters import pdf
from siaga112.errors import SiagaError
from tests.cli.shell import NUMBER, Shell, live, shell
from tests.lab import pdf as read

__all__ = ["live", "shell"]

NO_FONTS = '<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd"><fontconfig><dir>{0}</dir></fontconfig>'
LACKING = {
    "WeasyPrint": ("raise ImportError(\"No module named 'weasyprint'\")", "No module named"),
    "Pango": ("raise OSError(\"cannot load library 'libpango-1.0-0'\\nand more\")", "cannot load library"),
    "a font": ("", "No fonts configured"),
}


async def test_nothing_is_fetched_from_anywhere(tmp_path: Path) -> None:
    """The PDF contains nothing that the page names, neither from a network nor from this machine's files."""
    secret = tmp_path / "secret.txt"
    secret.write_text("hunter-of-numbers")
    named = f'<link rel=attachment href="{secret.as_uri()}"><object data="{secret.as_uri()}"></object>'
    made = await pdf.made(f"<p>read</p>{named}<img src='http://127.0.0.1:9/'>")
    assert read.text(made) == "read"
    assert read.attached(made, tmp_path) == "0 embedded files"


async def test_what_crashes_ends_its_own_process_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A PDF that takes too long fails in one line that says so."""
    monkeypatch.setattr(pdf, "PATIENCE_SECONDS", 0.0)
    with pytest.raises(SiagaError, match=r"could not be made \(not within 0 s\)"):
        await pdf.made("<p>late</p>")


@pytest.mark.redis
@pytest.mark.parametrize("what", LACKING)
async def test_without_what_it_needs_one_line_says_what_to_install(
    live: Shell, tmp_path: Path, what: str
) -> None:
    """Without the library, what it needs, or a font, one line says what to install; HTML still works."""
    module, why = LACKING[what]
    if module:
        (tmp_path / "weasyprint.py").write_text(module)
        live.environ["PYTHONPATH"] = str(tmp_path)
    else:
        (tmp_path / "fonts.conf").write_text(NO_FONTS.format(tmp_path))
        live.environ["FONTCONFIG_FILE"] = str(tmp_path / "fonts.conf")
    output = tmp_path / "sheet.pdf"
    failed = (await live("why", NUMBER, "--format", "pdf", "--output", str(output))).failed(1)
    assert 'pip install "siaga112[pdf]"' in failed
    assert why in failed
    assert not output.exists()
    assert "<!DOCTYPE html>" in (await live("why", NUMBER, "--format", "html")).done()
