"""Make a PDF of a page with WeasyPrint, an optional dependency, in a separate process.

A crash in one of WeasyPrint's C libraries then ends that process and not the console (Pango crashes without a
font), nobody waits meanwhile, and its memory is returned (docs/decisions/weasyprint.md).
"""

import asyncio
import sys
import warnings
from importlib.util import find_spec
from typing import Final

from siaga112.errors import SiagaError
from siaga112.words import say

PATIENCE_SECONDS: Final = 60.0

_MISSING: Final = 3
_NEEDS: Final = say(
    'PDF needs WeasyPrint, Pango and a font: pip install "siaga112[pdf]", apt install libpangoft2-1.0-0 '
    "fonts-liberation ({why}); or use HTML and print it from a browser"
)
_FAILED: Final = say("the PDF could not be made ({why}); use HTML and print it from a browser")


def there() -> bool:
    """Return whether WeasyPrint is installed, without loading it."""
    return find_spec("weasyprint") is not None


async def made(page: str) -> bytes:
    """Return the page as PDF. Nothing that the page refers to is fetched.

    Raises:
        SiagaError: with the remedy, if a dependency is missing or the conversion fails.

    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "siaga112.adapters.pdf"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            written, said = await process.communicate(page.encode())
    except TimeoutError:
        raise SiagaError(_FAILED, why=f"not within {PATIENCE_SECONDS:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode == 0:
        return written
    lines = said.decode(errors="replace").splitlines()
    why = lines[-1][:200] if lines else f"exit code {process.returncode}"
    raise SiagaError(_NEEDS if process.returncode == _MISSING else _FAILED, why=why)


def _main() -> int:
    """Convert the page on standard input; runs in the separate process."""
    warnings.simplefilter("error", UserWarning)  # so that a missing font raises
    try:
        from weasyprint import HTML  # noqa: PLC0415 - only this process loads it
        from weasyprint.urls import URLFetcher  # noqa: PLC0415 - as above
    except (ImportError, OSError, UserWarning) as error:
        sys.stderr.write(str(error).partition("\n")[0])
        return _MISSING
    warnings.resetwarnings()
    nowhere = URLFetcher(allowed_protocols=())
    page = HTML(string=sys.stdin.buffer.read().decode(), url_fetcher=nowhere)
    sys.stdout.buffer.write(page.write_pdf(pdf_tags=True))
    return 0


if __name__ == "__main__":
    sys.exit(_main())
