"""The running daemon as Asterisk and Prometheus see it."""

import asyncio
import json
import os
import pwd
import re
import time
from collections.abc import Collection
from typing import Final

from prometheus_client.samples import Sample

from siaga112.adapters.scrape import MetricsPage, ProbeError, get
from siaga112.core.agi import DOCTOR
from siaga112.core.model import SECOND
from siaga112.doctor.looking.sockets import listeners
from siaga112.doctor.observations import AgiSeen, DaemonSeen, FollowedSeen, NotSeen
from siaga112.reasons import plainly

SECONDS: Final = 3.0

_REQUEST: Final = (
    "agi_network: yes\nagi_network_script: screen\nagi_request: agi://siaga112-doctor/screen\n"
    f"agi_uniqueid: {DOCTOR}\nagi_callerid: unknown\nagi_callingpres: 32\n\n"
)
_SET: Final = re.compile(r'SET VARIABLE (\w+) "([^"]*)"')


async def ask_for_verdict(host: str, port: int) -> AgiSeen | NotSeen:
    """Ask as Asterisk does, for a withheld number: this counts one verdict and judges nobody."""
    began = time.perf_counter()
    variables: dict[str, str] = {}
    try:
        async with asyncio.timeout(SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(_REQUEST.encode())
                while line := (await reader.readline()).decode("utf-8", "replace").strip():
                    if found := _SET.fullmatch(line):
                        variables[found[1]] = found[2]
                    writer.write(b"200 result=1\n")
            finally:
                writer.close()
    except TimeoutError:
        return NotSeen(f"no verdict within {SECONDS:g} s")
    except OSError as error:
        return NotSeen(plainly(error))
    except ValueError:
        return NotSeen("answers, but not as siaga112 does")
    took = round((time.perf_counter() - began) * SECOND)
    return AgiSeen(variables, took, stranger(port))


def stranger(port: int, ours: Collection[str] = ("root", "siaga112")) -> str:
    """Return the user who listens there on this machine; '' for our own users, or ourselves.

    Other machines cannot be checked.
    """
    for listener in listeners(port):
        try:
            name = pwd.getpwuid(listener.uid).pw_name
        except KeyError:
            name = str(listener.uid)
        if listener.uid != os.geteuid() and name not in ours:
            return name
    return ""


async def ask_readiness(host: str, port: int) -> DaemonSeen | NotSeen:
    """Read `/readyz`."""
    try:
        parts = json.loads(await get(host, port, "/readyz", SECONDS))
        return DaemonSeen({str(name): bool(ready) for name, ready in parts.items()})
    except ProbeError as error:
        return NotSeen(str(error))
    except (ValueError, AttributeError):
        return NotSeen("answers, but not as siaga112 does")


async def ask_for_counts(page: MetricsPage) -> FollowedSeen:
    """Read what became of the screened calls. Raises ProbeError."""
    return await page.read(_followed)


def _followed(samples: list[Sample]) -> FollowedSeen:
    """Parse the metrics needed; KeyError if one is missing."""
    values = {sample.name.removeprefix("siaga112_"): sample.value for sample in samples}
    return FollowedSeen(
        started=values["start_time_seconds"],
        asked=int(values["agi_calls_total"]),
        seen=int(values["calls_screened_total"]),
        unfollowed={
            sample.labels["context"]: int(sample.value)
            for sample in samples
            if sample.name == "siaga112_calls_unfollowed_total"
        },
    )
