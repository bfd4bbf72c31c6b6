"""Reading a daemon's metrics over HTTP from its endpoint."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from siaga112.adapters import scrape
from siaga112.adapters.http import HttpEndpoint
from siaga112.adapters.metrics import Metrics
from siaga112.adapters.scrape import MetricsPage, ProbeError
from siaga112.core.model import SECOND, Verdict
from siaga112.core.screening import Screening, ScreenReason
from siaga112.doctor.looking.daemon import ask_readiness
from siaga112.doctor.observations import DaemonSeen, NotSeen
from siaga112.top.probe import DaemonProbe
from tests.adapters.figures import SITE, full
from tests.lab import ports
from tests.samples import NOW

HOST = "127.0.0.1"


@pytest.fixture
def metrics() -> Metrics:
    """Return the metrics of a site in which something has happened."""
    return full()


@pytest.fixture
async def port(metrics: Metrics) -> AsyncIterator[int]:
    """Serve them."""
    endpoint = HttpEndpoint(metrics, dict, lambda: metrics.pending(4))
    yield await endpoint.start(HOST, 0)
    await endpoint.stop()


async def problem(page: MetricsPage) -> str:
    """Return why a page cannot be read."""
    with pytest.raises(ProbeError) as raised:
        await DaemonProbe(page).vitals()
    assert "\n" not in str(raised.value)
    return str(raised.value)


async def test_what_is_shown_is_read(metrics: Metrics, port: int) -> None:
    """Verdicts with their times, missing answers by cause, the outbox and the connections are read."""
    metrics.answers("redis", up=True)
    metrics.ami_connected(up=True)
    metrics.screened(Screening(Verdict.ALLOW, ScreenReason.NOT_BLOCKED), 0.0015)
    metrics.screened(Screening(Verdict.ALLOW, ScreenReason.DEADLINE), 0.3)
    vitals = await DaemonProbe(MetricsPage(HOST, port, SITE)).vitals()
    assert (vitals.redis_up, vitals.ami_connected, vitals.outbox) == (True, True, 4)
    assert vitals.last_event == NOW
    assert abs(vitals.started - NOW) < 3_600 * SECOND
    assert vitals.fail_open == {"deadline": 1}
    assert (vitals.verdicts[0.001], vitals.verdicts[0.005], vitals.verdicts[float("inf")]) == (0, 1, 2)


@pytest.mark.parametrize("host", [HOST, "::1", "0.0.0.0", "::"])
async def test_readiness_is_read_wherever_it_listens(metrics: Metrics, host: str) -> None:
    """The doctor reads which parts are ready, on any address of this machine."""
    endpoint = HttpEndpoint(metrics, lambda: {"redis": True, "ami": False}, lambda: None)
    port = await endpoint.start(host, 0)
    assert await ask_readiness(host, port) == DaemonSeen({"redis": True, "ami": False})
    await endpoint.stop()
    assert await ask_readiness(host, port) == NotSeen("connection refused")


async def test_another_sites_metrics_are_not_ours(port: int) -> None:
    """Another site's metrics at that port are not taken for ours."""
    assert await problem(MetricsPage(HOST, port, "another")) == "no metrics of site another"


async def test_nobody_there(port: int) -> None:
    """A port on which nobody listens is reported as `connection refused`."""
    assert port
    assert await problem(MetricsPage(HOST, ports.free(), SITE)) == "connection refused"


async def test_a_daemon_that_is_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that accepts and never answers is given up."""
    monkeypatch.setattr(scrape, "PATIENCE_SECONDS", 0.05)

    async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # ends: when the client goes
        writer.close()

    async with await asyncio.start_server(keep_silent, HOST, 0) as server:
        page = MetricsPage(HOST, server.sockets[0].getsockname()[1], SITE)
        assert await problem(page) == "no answer within 0.05 s"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "no HTTP answer"),
        (b"", "no HTTP answer"),
        (b"HTTP/1.0 200 OK\r\n\r\n<html>hello { there", "no metrics of site serang"),
        (b"HTTP/1.0 404 Not Found\r\n\r\n", "no metrics of site serang"),
    ],
)
async def test_somebody_else_there(answer: bytes, told: str) -> None:
    """Whatever else listens there is reported in a few words."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")  # ends: when the client goes
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(say, HOST, 0) as server:
        assert await problem(MetricsPage(HOST, server.sockets[0].getsockname()[1], SITE)) == told


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:9112/metrics"),
        ("0.0.0.0", "http://127.0.0.1:9112/metrics"),
        ("::", "http://[::1]:9112/metrics"),
    ],
)
def test_all_addresses_are_reached_at_loopback(host: str, url: str) -> None:
    """A daemon that listens on all addresses is asked on loopback."""
    assert MetricsPage(host, 9112, SITE).url == url


async def test_a_page_without_end() -> None:
    """A page without end is given up, so that it cannot fill our memory."""

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")  # ends: when the client has asked
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + b"#" * (2 * scrape.LONGEST))
        await writer.drain()  # ends: when the client has enough
        writer.close()

    async with await asyncio.start_server(flood, HOST, 0) as server:
        page = MetricsPage(HOST, server.sockets[0].getsockname()[1], SITE)
        assert await problem(page) == "not a metrics page: it does not end"
