"""The manual's pictures of the page: the centre's month, printed by a real Chromium.

python -m tests.report.picture        writes docs/images/report.png and report-2.png
"""

import asyncio
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from siaga112.core.model import SECOND
from siaga112.core.period import of_days
from siaga112.core.shifts import Shift
from siaga112.report.figures import Reporter
from siaga112.report.page import page
from siaga112.report.words import Words
from siaga112.settings.schema import Settings
from siaga112.words import Language
from tests import month
from tests.lab.chromium import tab
from tests.report.conftest import SITE, fill, records_in

IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
DPI: Final = 84


async def _written(state: Path) -> str:
    await fill(state, list(month.entries()))
    asked = of_days(month.FEBRUARY.first, month.MARCH.last, month.ZONE)
    shifts = [
        Shift(name, shift.begins)
        for name, shift in zip(("pagi", "siang", "malam"), Settings().shift_plan(), strict=True)
    ]
    records = records_in(state)
    report = await Reporter((records,), SITE, shifts, 10 * SECOND, 0.9).report(asked, asked.end)
    await records.close()
    return page(report, Words(Language.ID), 10, reveal=False)


async def _printed(html: str) -> bytes:
    with tempfile.NamedTemporaryFile("w", suffix=".html") as file:
        file.write(html)
        file.flush()
        async with tab() as chromium:
            await chromium.open(f"file://{file.name}")
            return await chromium.pdf()


def main() -> None:
    """Draw the pictures."""
    with tempfile.TemporaryDirectory() as state:
        html = asyncio.run(_written(Path(state)))
    pdf = asyncio.run(_printed(html))
    IMAGES.mkdir(exist_ok=True)
    for number, name in ((1, "report"), (2, "report-2")):
        only = ["-f", f"{number}", "-l", f"{number}", "-singlefile"]
        command = ["pdftoppm", "-png", "-r", f"{DPI}", *only, "-", str(IMAGES / name)]
        subprocess.run(command, input=pdf, check=True, timeout=60)


if __name__ == "__main__":
    main()
