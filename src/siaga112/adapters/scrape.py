"""Reading what a daemon shows over HTTP: its own `/metrics`, as Prometheus does, and whether it is ready."""

import asyncio
import ssl
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

import h11
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from siaga112.errors import Said, SaidError
from siaga112.reasons import plainly

PATIENCE_SECONDS: Final = 2.0
LONGEST: Final = 1 << 22
"""Bytes of a page; ours has some 50,000."""
EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - what to dial for it
"""What listens on all addresses is reached at loopback."""

_Read = TypeVar("_Read")


class ProbeError(SaidError):
    """A daemon's metrics cannot be read; says why in a few words."""


async def get(host: str, port: int, path: str, seconds: float, tls: ssl.SSLContext | None = None) -> bytes:
    """Ask for a page, and give it whatever its status.

    Raises:
        ProbeError: if nobody answers there within that time, or not in HTTP, or without end.

    """
    try:
        async with asyncio.timeout(seconds):
            try:
                reader, writer = await asyncio.open_connection(EVERYWHERE.get(host, host), port, ssl=tls)
            except OSError as error:
                raise ProbeError(plainly(error) or Said("no way to that host")) from error
            try:
                return await _get(reader, writer, path)
            finally:
                writer.close()
    except TimeoutError:
        raise ProbeError(Said("no answer within {seconds} s", seconds=format(seconds, "g"))) from None
    except (h11.RemoteProtocolError, OSError) as error:
        raise ProbeError(Said("no HTTP answer")) from error


async def _get(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> bytes:
    http = h11.Connection(h11.CLIENT)
    headers = [("Host", "siaga112"), ("Connection", "close")]
    for event in (h11.Request(method="GET", target=path, headers=headers), h11.EndOfMessage()):
        writer.write(http.send(event) or b"")
    page = bytearray()
    while True:
        match http.next_event():
            case h11.NEED_DATA:
                http.receive_data(await reader.read(1 << 16))
            case h11.Data() as part:
                page += part.data
                if len(page) > LONGEST:
                    raise ProbeError(Said("no page of metrics: it has no end"))
            case h11.EndOfMessage():
                return bytes(page)


class MetricsPage:
    """One daemon's page, of one site."""

    def __init__(self, host: str, port: int, site: str) -> None:
        self._host, self._port = EVERYWHERE.get(host, host), port
        self._site = site

    def __repr__(self) -> str:
        return f"<MetricsPage {self.url}>"

    @property
    def url(self) -> str:
        """The page's address."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}/metrics"

    async def read(self, read: Callable[[list[Sample]], _Read]) -> _Read:
        """Read what is wanted of this site's samples; the reader raises KeyError for what lacks.

        Raises:
            ProbeError: if nobody answers there, or not with this site's metrics.

        """
        page = await get(self._host, self._port, "/metrics", PATIENCE_SECONDS)
        try:
            return read(list(self._samples(page.decode())))
        except (ValueError, KeyError) as error:
            raise ProbeError(Said("no metrics of site {site}", site=self._site)) from error

    def _samples(self, text: str) -> Iterator[Sample]:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name.startswith("siaga112_") and sample.labels.get("site") == self._site:
                    yield sample
