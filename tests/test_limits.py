"""Limits of tests: a test that hangs fails at its limit and reports where, and the run continues."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
RUN_SECONDS: Final = 200.0

LOOPS: Final = """
import pytest, uvloop
def pytest_asyncio_loop_factories():
    return {"uvloop": uvloop.new_event_loop}
"""
HANGS: Final = {
    "a blocking call": """
import threading, time
def hangs():
    over = threading.Event()
    threading.Thread(target=over.wait, name="a helper", daemon=True).start()
    over.wait()
def test_hangs():
    hangs()
""",
    "a loop": """
def hangs():
    while True:
        pass
def test_hangs():
    hangs()
""",
    "a wait of asyncio": """
import asyncio
async def hangs():
    await asyncio.Event().wait()
async def helps():
    await asyncio.sleep(600)
async def test_hangs():
    helper = asyncio.create_task(helps(), name="a helper")
    await hangs()
""",
    "a loop within asyncio": """
async def hangs():
    while True:
        pass
async def test_hangs():
    await hangs()
""",
    "a fixture": """
import pytest, threading
def hangs():
    threading.Event().wait()
@pytest.fixture
def never():
    hangs()
def test_hangs(never):
    pass
""",
    "clearing up": """
import pytest, threading
def hangs():
    threading.Event().wait()
@pytest.fixture
def never():
    yield
    hangs()
def test_hangs(never):
    pass
""",
    "clearing up after a failure": """
import pytest, threading
def hangs():
    threading.Event().wait()
@pytest.fixture
def never():
    yield
    hangs()
def test_hangs(never):
    assert False
""",
    "a task that swallows its end": """
import asyncio
async def hangs():
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass
async def test_hangs():
    await hangs()
""",
    "an asynchronous fixture": """
import asyncio, pytest
async def hangs():
    await asyncio.Event().wait()
@pytest.fixture
async def never():
    yield
    await hangs()
async def test_hangs(never):
    pass
""",
    "a property": """
import threading
from hypothesis import given, strategies
def hangs():
    threading.Event().wait()
@given(strategies.integers())
def test_hangs(any):
    hangs()
""",
}
"""Ways to hang, each in a function `hangs`."""

DEAF: Final = """
import signal, time
def hangs():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    time.sleep(600)
def test_hangs():
    hangs()
"""
"""A test that no exception can end, like a C function that never returns."""

FINE: Final = "def test_fine():\n    pass\n"
CONFIG: Final = "[pytest]\nasyncio_mode = auto\ntimeout = 2\nasyncio_default_fixture_loop_scope = function\n"


def run(folder: Path, *options: str, **files: str) -> tuple[int, str]:
    """Run these files as tests with our plugin and a limit of 2 s; return the exit code and the output."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, "utf-8")
    (folder / "pytest.ini").write_text(CONFIG, "utf-8")
    plugin = ("-p", "tests.limits", "--grace", "6", "-p", "no:cacheprovider")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *plugin, "-v", "--rootdir", folder, *options, folder],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=RUN_SECONDS,
    )
    return ran.returncode, ran.stdout


@pytest.mark.slow
@pytest.mark.timeout(RUN_SECONDS + 60)
@pytest.mark.parametrize("loop", ["asyncio", pytest.param("uvloop", marks=pytest.mark.night)])
def test_what_hangs_fails_at_its_limit_and_the_run_goes_on(tmp_path: Path, loop: str) -> None:
    """The report of a test that hangs shows where it hangs, and the tests after it run."""
    kinds = {kind: text for kind, text in HANGS.items() if loop == "asyncio" or "async" in text}
    files = {f"test_{place}": text for place, text in enumerate(kinds.values())}
    files |= {"conftest": LOOPS} if loop == "uvloop" else {}
    code, said = run(tmp_path, **files, test_last=FINE)
    assert code == 1, said
    assert re.search(r"test_last\.py::test_fine.* PASSED", said), said
    reports = re.split(r"^_+ (?=(?:ERROR at \w+ of )?test_)", said, flags=re.MULTILINE)[1:]
    for place, (kind, text) in enumerate(kinds.items()):
        hung = rf"test_{place}\.py\", line \d+, in hangs"
        told = next((one for one in reports if re.search(hung, one.partition(STACKS)[2])), "")
        assert told, f"{kind}: {said}"
        for other in re.findall('name="(.*)"', text):
            assert re.search(f"── (thread|task) {other}\n", told), f"{kind}: {said}"


STACKS: Final = "stacks at the limit"


@pytest.mark.night
@pytest.mark.timeout(RUN_SECONDS + 60)
def test_with_xdist_stacks_are_told_and_what_nothing_ends_ends_its_process_alone(tmp_path: Path) -> None:
    """Without a terminal, the report has the stacks; an ended worker is replaced, and the run continues."""
    code, said = run(tmp_path, "-n", "1", test_a=DEAF, test_b=HANGS["a wait of asyncio"], test_c=FINE)
    assert code == 1, said
    assert re.search(r"PASSED \S*test_c\.py::test_fine", said), said
    assert re.search(r"worker 'gw\d' crashed while running '\S*test_hangs'", said), said
    assert "Timeout (0:00:08)!" in said, said
    assert "in hangs" in said, said
    assert "── task a helper\n" in said.partition(STACKS)[2], said


SLOW: Final = """
import time, pytest
@pytest.mark.parametrize("n", range(200))
def test_slow(n):
    time.sleep(0.5)
"""


@pytest.mark.timeout(RUN_SECONDS + 60)
def test_the_whole_run_has_a_limit(tmp_path: Path) -> None:
    """After the limit of the run no process starts another test, and the run fails."""
    code, said = run(tmp_path, "-n", "2", "--session-timeout", "2", test_a=SLOW, test_b=SLOW)
    assert code != 0, said
    assert "session-timeout: 2.0 sec exceeded" in said, said
    assert len(re.findall("PASSED", said)) < 200, said
