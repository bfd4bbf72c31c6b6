"""`make fuzz`: a million inputs each for codecs, command lines, configurations and files, led by coverage.

Inputs that reach new code are kept. Each contract is fuzzed in its own process, as many at once as there are
processors. It prints the number of inputs, the rate, and how many lines of the code they reached. An input
that breaks a contract, or takes more time or memory than allowed, is saved and ends the run. SIGUSR1 to one
of these processes ends it early; what it did until then is printed as usual.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.fuzz.contracts import CONTRACTS, Contract, small_limits
from tests.fuzz.one import HANGS_SECONDS
from tests.fuzz.reach import all_lines, lines
from tests.fuzz.seeds import CORPUS, seeds, words

LONGEST = 4_096
"""The most bytes that an input has."""

CODECS = ("agi", "ami", "captures", "queue_logs", "stored")
NAMES = (*CODECS, *(name for name in CONTRACTS if name not in {*CODECS, "wire"}))


def main() -> None:
    """Fuzz all contracts, or those that are named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=112, help="another one leads to other inputs")
    given = parser.parse_args()
    names = given.names or NAMES
    with ThreadPoolExecutor(os.cpu_count()) as processors:
        all_fuzzed = processors.map(partial(_fuzz, given.runs, given.seed), names)
        for name, fuzzed in zip(names, all_fuzzed, strict=True):
            _keep(name, fuzzed.found)
            rate = fuzzed.inputs / fuzzed.seconds
            print(f"{name:11} {fuzzed.inputs:9,} inputs  {rate:7,.0f}/s  {_reach(name)}", flush=True)


@dataclass(frozen=True, slots=True)
class _Fuzzed:
    """The number of inputs, the seconds they took, and those that reached new code."""

    inputs: int
    seconds: float
    found: list[bytes]


def _fuzz(runs: int, seed: int, name: str) -> _Fuzzed:
    """Fuzz one contract."""
    with tempfile.TemporaryDirectory(prefix="s112-fuzz-") as folder:
        begun, found = Path(folder, "begun"), Path(folder, "found")
        begun.mkdir()
        found.mkdir()
        for data in seeds(name):
            (begun / _named(data)).write_bytes(data)
        known = Path(folder, "words")
        known.write_text("".join(map(_spelled, words(name))))
        started = time.monotonic()
        ran = _atheris(
            name,
            f"-runs={runs}",
            f"-max_len={LONGEST}",
            "-len_control=0",
            f"-dict={known}",
            f"-seed={seed}",
            "-print_final_stats=1",
            f"-timeout={HANGS_SECONDS}",
            f"-report_slow_units={HANGS_SECONDS}",
            f"-artifact_prefix={folder}/broken-",
            "-rss_limit_mb=0",  # `one` limits an input's memory, without that of atheris
            found,
            begun,
        )
        seconds = time.monotonic() - started
        done = re.search(rb"number_of_executed_units:\s*(\d+)", ran.stderr)
        if ran.returncode or not done:
            for broken in Path(folder).glob("broken-*"):
                shutil.move(broken, CORPUS.parent)
            sys.stderr.buffer.write(ran.stderr[-4_000:])
            raise SystemExit(f"{name}: a promise is broken; the input is in {CORPUS.parent}")
        return _Fuzzed(int(done[1]), seconds, [path.read_bytes() for path in found.iterdir()])


def _atheris(name: str, *arguments: str | Path) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-m", "tests.fuzz.one", name, *map(str, arguments)],
        capture_output=True,
        check=False,
        timeout=6 * 3_600,
    )


def _keep(name: str, found: list[bytes]) -> None:
    """Keep the shortest inputs that reach lines which the seeds and the corpus do not."""
    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    with small_limits():
        for contract in _contracts(name):
            seen = lines(contract, seeds(name))
            for data in sorted(found, key=len):
                if new := lines(contract, [data]) - seen:
                    seen |= new
                    (folder / _named(data)[:12]).write_bytes(data)


def _spelled(word: bytes) -> str:
    """Return a word as libFuzzer's dictionaries spell it."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n'


def _named(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def _reach(name: str) -> str:
    """Return how much corpus and seeds reach: as much as all inputs, as those that reach more are kept."""
    told = []
    seeds.cache_clear()
    with small_limits():
        for contract in _contracts(name):
            run, there = len(lines(contract, seeds(name))), len(all_lines(contract))
            told.append(f"{100 * run / there:.1f} % of {contract.module} ({run} of {there} lines)")
    return ", ".join(told)


def _contracts(name: str) -> list[Contract]:
    return [contract for contract in CONTRACTS.values() if contract.check is CONTRACTS[name].check]


if __name__ == "__main__":
    main()
