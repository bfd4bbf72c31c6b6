"""Record the same real calls in all four forms at once: AMI capture, CEL, CDR and queue_log.

    python -m tests.backtest.record [22|16]

One PBX of each version plays the scenarios one after another. The columns are in the order of the sample
files that Asterisk ships (cel_custom.conf, cdr.conf). All channel events are recorded, with the applications
that docs/backtest.md asks for; the tests leave out what the sample cel.conf does not have.
"""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from siaga112.captures import capture
from siaga112.core.outcome import ClassifierRules
from siaga112.core.rules import Dialplan
from tests.lab import Version
from tests.pbx.scenarios.every import SCENARIOS
from tests.pbx.scenarios.golden import GOLDEN
from tests.pbx.scenarios.play import Theatre, theatre
from tests.pbx.scenarios.scenario import Scenario

FOLDER: Final = GOLDEN / "backtest"
WRITTEN_SECONDS: Final = 20.0

# Slow, or covered by another scenario, or with a dialplan that needs its own settings.
LEFT_OUT: Final = frozenset({
    "queue_left_after_3s", "queue_operators_busy", "queue_nobody_logged_in", "overflow_to_mailbox",
    "office_number", "daemon_silent", "daemon_silent_left", "included_menu_not_named",
})  # fmt: skip
PLAYED: Final = tuple(
    scenario for scenario in SCENARIOS if scenario.name not in LEFT_OUT and scenario.centre.driver == "PJSIP"
)

# The order of cel_custom.conf.sample: the same columns in Asterisk 16 and 22.
CEL_COLUMNS: Final = (
    *("eventtype", "eventtime", "CALLERID(name)", "CALLERID(num)", "CALLERID(ANI)", "CALLERID(RDNIS)"),
    *("CALLERID(DNID)", "CHANNEL(exten)", "CHANNEL(context)", "CHANNEL(channame)", "CHANNEL(appname)"),
    *("CHANNEL(appdata)", "CHANNEL(amaflags)", "CHANNEL(accountcode)", "CHANNEL(uniqueid)"),
    *("CHANNEL(linkedid)", "BRIDGEPEER", "CHANNEL(userfield)", "userdeftype", "eventextra"),
)
FILES: Final = {
    "cel.conf": "[general]\nenable=yes\napps=dial,park,queue,background,waitexten,read\nevents=ALL\n",
    "cel_custom.conf": "[mappings]\nMaster.csv => "
    + ",".join(f"${{CSV_QUOTE(${{{column}}})}}" for column in CEL_COLUMNS),
    "cdr.conf": "[general]\nenable=yes\n[csv]\nloguniqueid=yes\nloguserfield=yes\n",
    "logger.conf": "queue_log = yes\n",
}


def union(scenarios: tuple[Scenario, ...]) -> Dialplan:
    """Return one dialplan with the contexts of all centres."""
    centres = {scenario.centre.name: scenario.centre for scenario in scenarios}.values()
    return Dialplan(
        frozenset(centre.trunk_context for centre in centres),
        frozenset().union(*(centre.ivr_contexts for centre in centres)),
        hangup_contexts=frozenset().union(*(centre.hangup_contexts for centre in centres)),
        queues=frozenset({"siaga112"}).union(*(scenario.queues for scenario in scenarios)),
    )


async def record(version: Version) -> None:
    """Play the scenarios on one PBX and store its files."""
    played = tuple(scenario for scenario in PLAYED if version in scenario.versions)
    events = b""
    release = ""
    async with theatre(version, played, FILES, ("cel_custom", "cdr_csv")) as stage:
        log = stage.pbx.log.parent
        for scenario in played:
            try:
                recorded = await stage.play(scenario)
            except Exception as error:  # noqa: BLE001 - printed; the calls are stored anyway
                print(f"{version} {scenario.name}: {error!r}", flush=True)
                continue
            header, *messages = capture.messages(recorded.data)
            release = capture.read_header(header).asterisk
            events += b"".join(message + capture.MESSAGE_END for message in messages)
            print(f"{version} {scenario.name}: {recorded.found}", flush=True)
        await _written(stage, log)
        texts = {
            name: (log / path).read_text("utf-8")
            for name, path in (
                ("cel.csv", "cel-custom/Master.csv"),
                ("cdr.csv", "cdr-csv/Master.csv"),
                ("queue_log", "queue_log"),
            )
        }
    head = capture.write_header(capture.Header(release, union(played), ClassifierRules(early_drop=1000)))
    folder = FOLDER / version
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "calls.ami").write_bytes(head + events)
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")


async def _written(stage: Theatre, log: Path) -> None:
    """Wait until the PBX has written its records, which it does after the calls."""
    last = stage.seen.mark()
    await stage.seen.action(
        {"Action": "Originate", "Channel": "Local/busy@operators", "Application": "NoOp", "Async": "true"}
    )
    await stage.seen.wait_for(lambda e: e.name == "Hangup", since=last)
    await _until(lambda: _ends(log / "cel-custom/Master.csv") >= 1)


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(WRITTEN_SECONDS):
        while not done():  # noqa: ASYNC110 - a file has no event
            await asyncio.sleep(0.05)


def _ends(path: Path) -> int:
    """Count the ends of the last call, a Local channel made for this."""
    lines = path.read_text("utf-8").splitlines()
    return sum("LINKEDID_END" in line and "busy" in line for line in lines[-1:])


async def main() -> None:
    """Record on the requested versions in parallel."""
    chosen = [version for version in ("22", "16") if version in (sys.argv[1:] or ("22", "16"))]
    await asyncio.gather(*(record(version) for version in chosen))  # type: ignore[arg-type] # a version as text


if __name__ == "__main__":
    asyncio.run(main())
