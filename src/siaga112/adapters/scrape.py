"""Reading a daemon's own `/metrics`, as Prometheus does."""

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from siaga112.reasons import plainly

PATIENCE_SECONDS: Final = 2.0
LONGEST: Final = 1 << 22
"""Bytes of a page; ours has some 50,000."""
EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - what to dial for it
"""What listens on all addresses is reached at loopback."""

_Read = TypeVar("_Read")


class ProbeError(Exception):
    """A daemon's metrics cannot be read; says why in a few words."""


class MetricsPage:
    """One daemon's page, of one site."""

    def __init__(self, host: str, port: int, site: str) -> None:
        host = EVERYWHERE.get(host, host)
        self.url: Final = f"http://{f'[{host}]' if ':' in host else host}:{port}/metrics"
        self._site = site

    def __repr__(self) -> str:
        return f"<MetricsPage {self.url}>"

    async def read(self, read: Callable[[list[Sample]], _Read]) -> _Read:
        """Read what is wanted of this site's samples; the reader raises KeyError for what lacks.

        Raises:
            ProbeError: if nobody answers there, or not with this site's metrics.

        """
        text = await self._text()
        try:
            return read(list(self._samples(text)))
        except (ValueError, KeyError) as error:
            raise ProbeError(f"no metrics of site {self._site}") from error

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

    def _samples(self, text: str) -> Iterator[Sample]:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name.startswith("siaga112_") and sample.labels.get("site") == self._site:
                    yield sample
