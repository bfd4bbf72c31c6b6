"""Read a daemon's pages over HTTP: `/metrics`, as Prometheus does, and `/readyz`."""

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
"""The largest page accepted in bytes; ours has about 50,000."""
EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - what to dial for it
"""Where to connect to a server that listens on all addresses."""

_Read = TypeVar("_Read")


class ProbeError(SaidError):
    """A daemon's metrics cannot be read; the message says why in a few words."""


async def get(host: str, port: int, path: str, seconds: float, tls: ssl.SSLContext | None = None) -> bytes:
    """Return a page, whatever its status.

    Raises:
        ProbeError: if there is no complete HTTP answer within that time.

    """
    there = EVERYWHERE.get(host, host)
    try:
        async with asyncio.timeout(seconds):
            try:
                reader, writer = await asyncio.open_connection(there, port, ssl=tls)
            except OSError as error:
                raise ProbeError(plainly(error) or Said("no route to that host")) from error
            try:
                return await _get(reader, writer, path, f"[{there}]" if ":" in there else there)
            finally:
                writer.close()
    except TimeoutError:
        raise ProbeError(Said("no answer within {seconds} s", seconds=format(seconds, "g"))) from None
    except (h11.RemoteProtocolError, OSError) as error:
        raise ProbeError(Said("no HTTP answer")) from error


async def _get(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, host: str) -> bytes:
    http = h11.Connection(h11.CLIENT)
    # The console rejects any other name (console/guard.py).
    headers = [("Host", host), ("Connection", "close")]
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
                    raise ProbeError(Said("not a metrics page: it does not end"))
            case h11.EndOfMessage():
                return bytes(page)


class MetricsPage:
    """The metrics page of one daemon, for one site."""

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
        """Pass this site's samples to `read` and return its result; `read` raises KeyError for a missing one.

        Raises:
            ProbeError: if nobody answers, or the page has no metrics of this site.

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
