"""Write the generated tables of docs/privacy.md: who may do what, and how long each kind is kept.

python -m tests.privacy
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from siaga112.app.holdings import kept
from siaga112.console import api, pages
from siaga112.console.access import permissions
from siaga112.core import durations
from siaga112.core.access import MAY, Permission, Role
from siaga112.core.holdings import Ends, Kept
from siaga112.settings.schema import Settings
from siaga112.terminal import labels
from siaga112.words import tongue

PAGE: Final = Path(__file__).parent.parent / "docs" / "privacy.md"

MEANINGS: Final[Mapping[Permission, str]] = {
    Permission.WALL: "the present situation and the day's figures, without a number",
    Permission.SHIFT: "the calls of this shift, the cards of their callers, one's own last call",
    Permission.MARK: "mark a call",
    Permission.CALLBACK: "who waits for a call-back; the number once one has taken it",
    Permission.CALLS: "the whole ledger; who is blocked, proposed, allowed, or objects",
    Permission.APPEAL: "record an objection",
    Permission.DECIDE: "block, unblock, confirm, dismiss, allow, take a strike back, reject an objection; "
    "the evidence sheet; hand a shift over",
    Permission.MODE: "switch the mode",
    Permission.REPORT: "a period's figures; operators by name",
    Permission.RECORDING: "hear a recording",
    Permission.EXPORT: "take calls away as CSV, with numbers",
    Permission.AUDIT: "what people did, and who looked at what",
    Permission.SUBJECT: "all that is stored on one number; how much is stored of each kind",
    Permission.FORGET: "erase what is stored on a number",
    Permission.HOLD: "keep what is stored on a number as evidence, end that, see for whom it is kept",
    Permission.PEOPLE: "users, tokens, webhooks",
    Permission.SETTINGS: "the configuration with secrets masked, and what the doctor finds",
}


def roles() -> Iterator[str]:
    """Yield the table of permissions: which role has them, and which pages and API paths need them."""
    yield f"| may | {' | '.join(Role)} | pages | API |"
    yield f"|---|{':-:|' * len(Role)}---|---|"
    for permission in Permission:
        has = ("●" if permission in MAY[role] else "" for role in Role)
        seen = (_seen(routes, permission) for routes in (pages.router.routes, api.router.routes))
        yield f"| {MEANINGS[permission]} | {' | '.join(has)} | {' | '.join(seen)} |"


def _seen(routes: object, permission: Permission) -> str:
    """Return the paths that can be read with a permission."""
    paths = [path for method, path, needed in permissions(routes) if method == "GET" and needed is permission]
    return " ".join(f"`{path.removeprefix(api.ROOT)}`" for path in paths)


def ages() -> Iterator[str]:
    """Yield the table of kinds of data, with the configuration's defaults."""
    t = tongue()
    yield "| `kind` | meaning | ends | setting | callers' numbers |"
    yield "|---|---|---|---|---|"
    for kind, one in kept(Settings()).items():
        numbers = "none" if one.numbers == "none" else "as kept"
        yield f"| `{kind}` | {labels.of(kind, t)} | {_ends(one)} | {_setting(one)} | {numbers} |"


def _ends(one: Kept) -> str:
    t = tongue()
    if one.ends is not Ends.AGE or one.span is None:
        return labels.of(one.ends, t)
    return f"{durations.spell(one.span)} after its {'beginning' if one.each else 'end, or last use'}"


def _setting(one: Kept) -> str:
    return f'`{one.setting} = "{durations.spell(one.span)}"`' if one.setting and one.span else ""


TABLES: Final = {"roles": roles, "ages": ages}
"""The tables, by the name in the mark that precedes each on the page."""


def made() -> str:
    """Return the page with the tables generated from the code."""
    text = PAGE.read_text("utf-8")
    for name, rows in TABLES.items():
        table = "\n".join(rows())
        marked = re.compile(rf"(<!-- {name}: made by make docs -->\n\n)(?:\|.*\n)*\n?")
        text, found = marked.subn(lambda mark, new=table: f"{mark[1]}{new}\n\n", text)  # type: ignore[misc] # mypy gives a lambda's default no type
        assert found == 1, name
    return text


if __name__ == "__main__":
    PAGE.write_text(made(), "utf-8")
