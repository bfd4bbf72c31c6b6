"""Reading a daemon's own `/metrics`, as Prometheus does."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from siaga112.core.doctor.found import FollowedSeen
from siaga112.core.model import SECOND
from siaga112.reasons import plainly
from siaga112.service.watching import ProbeError, Vitals

PATIENCE_SECONDS: Final = 2.0
LONGEST: Final = 1 << 22
"""Bytes of a page; ours has some 50,000."""
EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - what to dial for it
"""What listens on all addresses is reached at loopback."""

_Read = TypeVar("_Read")


class MetricsPage:
    """`service.watching.Probe` over HTTP, for one site."""

    def __init__(self, host: str, port: int, site: str) -> None:
        host = EVERYWHERE.get(host, host)
        self.url: Final = f"http://{f'[{host}]' if ':' in host else host}:{port}/metrics"
        self._site = site

    def __repr__(self) -> str:
        return f"<MetricsPage {self.url}>"

    async def vitals(self) -> Vitals:
        """Read how it goes.

        Raises:
            ProbeError: if nobody answers there, or not with this site's metrics.

        """
        return self._of(_vitals, await self._text())

    async def followed(self) -> FollowedSeen:
        """Read what became of the calls that were screened.

        Raises:
            ProbeError: as above.

        """
        return self._of(_followed, await self._text())

    async def _text(self) -> str:
        try:
            timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(self.url) as answer:
                page = b""
                async for part in answer.content.iter_any():
                    page += part
                    if len(page) > LONGEST:
                        raise ProbeError("no page of metrics: it has no end")
                return page.decode()
        except TimeoutError:
            raise ProbeError(f"no answer within {PATIENCE_SECONDS:g} s") from None
        except aiohttp.ClientConnectorError as error:
            raise ProbeError(plainly(error.os_error) or "no way to that host") from error
        except (aiohttp.ClientError, UnicodeDecodeError) as error:
            raise ProbeError("no HTTP answer") from error

    def _of(self, read: Callable[[list[Sample]], _Read], text: str) -> _Read:
        try:
            return read(list(self._samples(text)))
        except (ValueError, KeyError) as error:
            raise ProbeError(f"no metrics of site {self._site}") from error

    def _samples(self, text: str) -> Iterator[Sample]:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name.startswith("siaga112_") and sample.labels.get("site") == self._site:
                    yield sample


def _vitals(samples: list[Sample]) -> Vitals:
    """Read what is wanted; KeyError if it is not there."""
    values = {sample.name.removeprefix("siaga112_"): sample.value for sample in samples}
    verdicts: dict[float, float] = {}
    causes: dict[str, int] = defaultdict(int)
    for sample in samples:
        if sample.name == "siaga112_agi_duration_seconds_bucket":
            verdicts[float(sample.labels["le"])] = sample.value
        elif sample.name == "siaga112_fail_open_total" and sample.value:
            causes[sample.labels["cause"]] += int(sample.value)
    last = values.get("ami_last_event_timestamp_seconds")
    return Vitals(
        started=int(values["start_time_seconds"] * SECOND),
        redis_up=bool(values["redis_up"]),
        ami_connected=bool(values["ami_connected"]),
        last_event=int(last * SECOND) if last else None,
        outbox=int(values["outbox_pending"]),
        verdicts=verdicts,
        fail_open=dict(causes),
    )


def _followed(samples: list[Sample]) -> FollowedSeen:
    """Read what is wanted; KeyError if it is not there."""
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
