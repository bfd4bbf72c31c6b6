"""Secrets are never printed: the check, and the daemon and its commands when everything fails."""

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.fakes.manager import Manager
from tests.lab import ports
from tests.lab.daemon import CONFIG, Daemon
from tests.printed import SECRETS, without_secrets

LEAKY = """
import subprocess, sys
def test_print(): print("the secret is hunter2")
def test_child(): subprocess.run([sys.executable, "-c", "print('the secret is hunter2')"])
def test_silent(): print("all is well")
"""


def test_a_secret_in_a_line_is_seen() -> None:
    """`without_secrets` fails for a text with any of the secrets."""
    for secret in SECRETS:
        with pytest.raises(AssertionError, match="printed a secret"):
            without_secrets(f'one\\n{{"detail": "as {secret} said"}}')
    assert without_secrets("nothing") == "nothing"


def test_a_test_that_prints_a_secret_fails(tmp_path: Path) -> None:
    """A test fails if it, or a process that it starts, prints a secret into what pytest captures."""
    (tmp_path / "test_leaky.py").write_text(LEAKY)
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.conftest"),
            *("-c", "/dev/null", "--rootdir", tmp_path, tmp_path),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "2 failed, 1 passed" in ran.stdout
    assert "call: printed a secret: ['hunter2']" in ran.stdout


@pytest.mark.redis
async def test_the_daemon_tells_of_all_troubles_and_of_no_secret() -> None:
    """A refused login, a missing Redis and a bad reload are all logged, and no secret is printed."""
    manager = Manager()
    manager.refused["Login"] = "Authentication failed"
    await manager.start()
    with tempfile.TemporaryDirectory(prefix="s112-test-") as folder:
        more = f'[redis]\nurl = "redis://siaga112:hunter2@127.0.0.1:{ports.free()}/0"\n'
        config = CONFIG.format(
            state=f"{folder}/state", ami=manager.port, agi=ports.free(), metrics=ports.free(), more=more
        )
        environ = {"SIAGA112_AMI__SECRET": "s3cret", "SIAGA112_PRIVACY__CALLER_KEY": "sixteen letters!"}
        daemon = Daemon(Path(folder), config, environ, 0)
        await daemon.start()
        try:
            for event in ("started", "ami_refused", "store_down"):
                await daemon.event(event)
            daemon.config.write_text(f"{config}\n[ami]\nsecret = 5\n")
            daemon.signal(signal.SIGHUP)
            await daemon.event("reload_refused")
            daemon.config.write_text(config)
            shown = await daemon.command("check-config")
            assert shown.code == 0
            assert "***" in shown.out
            assert (await daemon.command("top", "--once")).code == 4
        finally:
            assert await daemon.stop() == 0
            await manager.stop()
