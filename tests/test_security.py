"""docs/security.md names only tests that exist, and everything that listens does so on loopback."""

import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from siaga112.settings.schema import Settings
from tests.lab import ports
from tests.lab.daemon import CONFIG, Daemon

ROOT = Path(__file__).resolve().parents[1]
LISTENING = "0A"
"""TCP_LISTEN in /proc/net/tcp (proc(5))."""


@pytest.mark.parametrize("page", ["security", "privacy"])
def test_every_test_that_the_page_names_is_there(page: str) -> None:
    """Each test that docs/security.md or docs/privacy.md names exists."""
    named = re.findall(r"`(tests/[\w/.]+)(?:::(\w+))?`", (ROOT / f"docs/{page}.md").read_text("utf-8"))
    assert len(named) > 20
    for file, function in named:
        text = (ROOT / file).read_text("utf-8")
        assert not function or f"def {function}(" in text, f"{file}::{function}"


def test_no_address_is_open_by_default() -> None:
    """By default AMI, FastAGI and metrics use 127.0.0.1 only."""
    defaults = Settings()
    assert {defaults.ami.host, defaults.agi.host, defaults.metrics.host} == {"127.0.0.1"}


@pytest.mark.redis
async def test_all_that_listens_listens_on_loopback() -> None:
    """A daemon with its private Redis listens on two TCP ports, FastAGI and metrics, both on 127.0.0.1."""
    agi, metrics = ports.free(), ports.free()
    with tempfile.TemporaryDirectory(prefix="s112-test-") as folder:
        config = CONFIG.format(state=f"{folder}/state", ami=ports.free(), agi=agi, metrics=metrics, more="")
        daemon = Daemon(Path(folder), config, {"SIAGA112_AMI__SECRET": "s3cret"}, metrics)
        await daemon.start()
        try:
            await daemon.event("started")
            redis = (await daemon.event("redis_started"))["pid"]
            assert set(_listening(daemon.pid)) == {("127.0.0.1", agi), ("127.0.0.1", metrics)}
            assert set(_listening(redis)) == set()
        finally:
            await daemon.stop()


def _listening(pid: int) -> Iterator[tuple[str, int]]:
    """Yield the addresses at which a process listens for TCP."""
    own = set[str]()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            own.add(str(descriptor.readlink()))
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING and f"socket:[{fields[9]}]" in own:
                host, _, port = fields[1].partition(":")
                plain = int.from_bytes(bytes.fromhex(host)[-4:], sys.byteorder)
                yield ".".join(str(byte) for byte in plain.to_bytes(4)), int(port, 16)
