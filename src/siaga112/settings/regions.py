"""Countries by their ISO 3166 codes, as tzdata names them."""

import difflib
import importlib.resources

from siaga112.core.caller_id import NumberPlan


def known(text: str) -> str:
    """Give the code of a region, in capitals.

    Raises:
        ValueError: naming the region whose code or name is nearest, if there is no such code.

    """
    try:
        return NumberPlan(text.upper()).region
    except ValueError as error:
        raise ValueError(f'no such region: "{text}", did you mean "{_nearest(text)}"?') from error


def _nearest(text: str) -> str:
    table = importlib.resources.files("tzdata.zoneinfo").joinpath("iso3166.tab").read_text("utf-8")
    codes: dict[str, str] = {}
    for line in table.lower().splitlines():
        code, tab, names = line.partition("\t")
        if tab and not line.startswith("#"):
            for name in (code, *names.rstrip(")").split(" (")):  # Britain (UK)
                codes.setdefault(name, code.upper())
    return codes[difflib.get_close_matches(text.lower(), codes, n=1, cutoff=0)[0]]
