"""What makes PDFs of our pages need not be there: then one line says so, with the remedy."""

from pathlib import Path

import pytest

from siaga112.adapters import pdf
from siaga112.errors import SiagaError
from tests.lab import pdf as read


async def test_nothing_is_fetched_from_anywhere(tmp_path: Path) -> None:
    """Neither from a network nor a file of this machine: what a page names is left out."""
    secret = tmp_path / "secret.txt"
    secret.write_text("hunter-of-numbers")
    named = f'<link rel=attachment href="{secret.as_uri()}"><object data="{secret.as_uri()}"></object>'
    made = await pdf.made(f"<p>read</p>{named}<img src='http://127.0.0.1:9/'>")
    assert read.text(made) == "read"
    assert read.attached(made, tmp_path) == "0 embedded files"


async def test_what_crashes_ends_its_own_process_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever becomes of it: one line; and what takes too long is ended."""
    monkeypatch.setattr(pdf, "PATIENCE_SECONDS", 0.0)
    with pytest.raises(SiagaError, match=r"could not be made \(not within 0 s\)"):
        await pdf.made("<p>late</p>")
