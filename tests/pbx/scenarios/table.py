"""The manual's table of scenarios, made from the golden captures."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Final, get_args

from siaga112.captures import capture
from siaga112.core.model import CallId, Entry
from tests.lab import Version
from tests.pbx.scenarios.golden import GOLDEN, captures, replayed

DOCUMENT: Final = GOLDEN.parents[1] / "docs/scenarios.md"

INTRODUCTION: Final = """\
# Every way a call can go

All known ways, played with real SIP calls on real PBXs, recorded through the shipped AMI user and its event
filter, and classified by siaga112. The recordings are in `tests/golden`; the fast tests replay each of them.
A capture from an administrator, with its `Expect` lines, becomes a test if it is put into
`tests/golden/sent`.

`make golden` records all of them again and generates this page.
"""


@dataclass(slots=True)
class _Page:
    stories: dict[str, str] = field(default_factory=dict)
    cells: dict[tuple[str, str], str] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    releases: dict[str, str] = field(default_factory=dict)

    def take(self, path: Path) -> None:
        """Add one capture to the page."""
        data, name, version = path.read_bytes(), path.stem, path.parent.name
        header = capture.read_header(next(capture.messages(data)))
        self.releases[version] = header.asterisk
        self.stories[name] = header.scenario
        came = {entry.finding.call.id: entry for entry in replayed(data)[1]}
        self.calls[version] += _placed(data)
        self.outcomes.update((version, expected.outcome) for expected in header.expected)
        self.cells[name, version] = "<br>".join(
            f"{e.outcome}, {e.reason}{_more(came[CallId(e.call)])}" for e in header.expected
        ) or "no incoming call"  # fmt: skip


def _more(entry: Entry) -> str:
    """Return a call's operator, mark, recording, hand-overs and strike as text."""
    finding = entry.finding
    told = [finding.operator] if finding.operator else []
    told += [f"marked {finding.mark}"] if finding.mark else []
    told += ["recorded"] if finding.call.recording else []
    told += [
        f"{one.how} to {one.target}, {'nobody answered' if one.reached is None else 'answered'}"
        for one in finding.handovers
    ]
    told += ["strike"] if entry.strike else []
    return f" ({'; '.join(told)})" if told else ""


def _placed(data: bytes) -> int:
    """Return how many calls came in over the trunk in a capture, whatever number they dialled."""
    return sum(
        b"\r\nChannelState: 4\r\n" in message and b"\r\nChannel: PJSIP/trunk" in message
        for message in capture.messages(data)
        if message.startswith(b"Event: Newchannel\r\n")
    )


def table(families: dict[str, str]) -> str:
    """Return the page. `families`: each scenario's family, in the order of the page."""
    page = _Page()
    for path in captures():
        if path.parent.name in get_args(Version):
            page.take(path)
    versions = sorted(page.releases, reverse=True)
    total = " and ".join(f"**{page.calls[v]} calls on Asterisk {page.releases[v]}**" for v in versions)
    text = f"{INTRODUCTION}\nRecorded: {total}, in {len(page.stories)} scenarios.\n\n"
    text += _totals(page, versions)
    for family, members in groupby(families, key=lambda name: families[name]):
        text += f"\n## {family}\n\n| scenario | what happens | {' | '.join(versions)} |\n"
        text += f"|---|---|{'---|' * len(versions)}\n"
        text += "".join(_row(name, page, versions) for name in members if name in page.stories)
    return text


def _totals(page: _Page, versions: list[str]) -> str:
    text = f"| outcome | {' | '.join(versions)} |\n|---|{'---:|' * len(versions)}\n"
    for outcome in sorted({outcome for _, outcome in page.outcomes}):
        text += f"| {outcome} | {' | '.join(str(page.outcomes[v, outcome]) for v in versions)} |\n"
    return text


def _row(name: str, page: _Page, versions: list[str]) -> str:
    cells = [page.cells.get((name, version), "—") for version in versions]
    story = page.stories[name]
    return f"| `{name}` | {story} | {' | '.join(cells)} |\n"
