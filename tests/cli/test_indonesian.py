"""Commands in Indonesian (`[console] lang = "id"`): nothing that they print contains English, except JSON."""

import asyncio
import io
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from siaga112.adapters.redis.server import EmbeddedRedis
from siaga112.cli import main
from siaga112.cli.commands import COMMANDS
from siaga112.core.model import SECOND, Caller
from siaga112.service.recording import Recorder
from tests.console.calls import left
from tests.core.table import in_force
from tests.fakes.meter import KeptMeter
from tests.fakes.outbox import MemoryOutbox
from tests.lab.stores import site_store
from tests.remains import remains
from tests.samples import NOW, RULES, answered, entry, prank

pytestmark = pytest.mark.redis

CALL: Final = answered(2, NOW - 1_800 * SECOND).id
PRANK: Final = prank(1, NOW - 3_600 * SECOND).id
WHO, OTHER, MANY = "+6281211111111", "+6281299999999", "+6281255555555"
WHY: Final = '--reason "sesuai surat"'
ANSWERS: Final = (
    *("mode off", f"mode off {WHY}", f"mode observe {WHY}", "blocks", "blocks --proposed", "allowed"),
    *(f"block {WHO} --for 7d {WHY}", "blocks", f"block {WHO} --for 24h {WHY}", f"why {WHO}"),
    *(f"block {WHO} --for 1h --shorten {WHY}", f"mode enforce {WHY}", f"why {WHO}", "blocks"),
    *(f"allow {WHO} {WHY}", "blocks", "allowed", f"block {WHO} --permanent {WHY}", f"why {WHO}"),
    *(f"disallow {WHO}", f"disallow {WHO}", f"unblock {WHO} --mistake {WHY}", f"unblock {WHO} {WHY}"),
    *(f"block {OTHER} --permanent {WHY}", f"why {OTHER}", f"confirm {WHO} {WHY}", f"dismiss {WHO} {WHY}"),
    *("calls --since 3d", "calls --since 3d --explain", "calls --call 1.1", "calls --since soon"),
    *(f"mark {CALL} prank", f"mark {CALL} genuine", f"mark {CALL} prank --kind fire", f"mark {OTHER} prank"),
    *(f"mark {CALL} silent", "callbacks", f"callbacks --take {WHO}", f"callbacks --tried {WHO}", "callbacks"),
    *(f"callbacks --done {WHO}", f"callbacks --done {WHO}", f"callbacks --done {WHO} --take {WHO}"),
    *(f"void {PRANK} {WHY}", f"void {PRANK} {WHY}", f"why {WHO}", f"why {MANY}", "audit", "why 112"),
    *("report", "report --from 2026-02-03 --to 2026-02-01", "top --once", "user list", "token list"),
    *("user role Entah", "user role Entah --role viewer", 'user add "" --role viewer'),
    *("user add Tono --role viewer", "user list", "user role Tono --role admin", "user password Tono"),
    *("user disable Tono", "webhooks", "webhooks --again entah", "token add papan --role viewer"),
    *("token list", "token revoke papan", "token revoke entah", "migrate", "rebuild", "backup {new}.zip"),
    *("migrate --from-redis", "migrate --forget-old"),
    *("backup {new}/none/x.zip", "restore {new}.zip", "restore {new}.zip --replace", "user list"),
    *("export --output {new}.csv", "export --output {new}/none/x", "export --format parquet"),
    *("appeals", f"appeal {WHO} {WHY}", f"appeal {WHO} {WHY}", "appeals"),
    f"appeals --reject {OTHER} {WHY}",
    *(
        f"appeals --reject {WHO} {WHY}",
        f"hold {WHO} {WHY}",
        "holds",
        f"hold {WHO} --release {WHY}",
        "privacy",
    ),
    *(f"forget {WHO} --yes {WHY}", f"why {WHO}"),
)
"""The commands, in the order in which they run: lists empty and full, decisions taken and refused.

`mode` alone prints the word that one types, for scripts.
"""

ENGLISH: Final = {
    "run": "its log is for programs",
    "doctor": "what it finds is of files and programs, and names them; docs/panduan.md says so",
    "check-config": "it is the configuration",
    "acl": "it is a file of Redis",
    "files": "they are files",
    "record": "for whoever looks into a PBX",
    "replay": "likewise",
    "backtest": "likewise",
    "subject": "JSON",
    "setup": "for whoever has the PBX",
    "import": "likewise",
}
"""Commands for administrators and programs, which stay English, and why."""

OWN: Final = frozenset(
    {"ratna", "root", "fire", "soon", "Entah", "papan", "siaga112", "Tono", "lab", "morning", "night"}
)


class Site:
    """A site with a private Redis. Commands run in this process, so that many can be tried."""

    def __init__(self, home: Path, patch: pytest.MonkeyPatch) -> None:
        self.home = home
        self._patch = patch
        self._patch.setenv("SIAGA112_CONFIG", str(home / "siaga112.toml"))
        self._patch.delenv("SIAGA112_API", raising=False)
        self._patch.delenv("COLUMNS", raising=False)  # no word is cut

    def write(self, lang: str, more: str = "") -> None:
        """Write the configuration."""
        text = f'site = "lab"\nstate_dir = "{self.home / "state"}"\n[console]\nlang = "{lang}"\n{more}'
        (self.home / "siaga112.toml").write_text(text, "utf-8")

    def __call__(self, command: str) -> tuple[str, str]:
        """Run a command; return its output and its errors."""
        out, err = io.StringIO(), io.StringIO()
        with self._patch.context() as patch:
            patch.setattr(sys, "argv", ["siaga112", *shlex.split(command.format(new=self.home / "new"))])
            patch.setattr(sys, "stdin", io.StringIO("sandi yang panjang sekali\n"))
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            with pytest.raises(SystemExit):
                main()
        return out.getvalue(), err.getvalue()

    def remains(self, command: str) -> str:
        """Run a command; return the English words in its output together with it, or '' if there are none."""
        text = "\n".join(self(command)).strip()
        assert text, command
        left = remains(text, {*OWN, str(self.home)})
        return f"{left} in: {text[:600]}" if left else ""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Yield a site that speaks Indonesian, with a running private Redis and some calls."""
    home = Path(tempfile.mkdtemp(prefix="s112-test-"))
    with asyncio.Runner() as runner:
        embedded = EmbeddedRedis(home / "state")
        runner.run(embedded.start())
        runner.run(_called(home / "state"))
        made = Site(home, monkeypatch)
        made.write("id")
        yield made
        runner.run(embedded.stop())
    shutil.rmtree(home)


async def _called(state: Path) -> None:
    store = site_store(state, "lab")
    recorder = Recorder(MemoryOutbox(), store, in_force(policy=RULES), KeptMeter())
    missed = [left(3 + nth, NOW - 600 * SECOND, Caller(WHO)) for nth in range(2)]
    pranks = [prank(nth, NOW - (40 - nth) * 60 * SECOND, Caller(MANY)) for nth in range(20, 27)]
    for call in (prank(1, NOW - 3_600 * SECOND), answered(2, NOW - 1_800 * SECOND), *pranks):
        await recorder.record([entry(call)])
    await recorder.record(missed)
    await store.close()


def test_no_command_answers_in_english(site: Site) -> None:
    """No command's answer contains English, whether it succeeds or is refused."""
    found = {given: said for given in ANSWERS if (said := site.remains(given))}
    assert found == {}


WRONG: Final = {
    "block": "block: NUMBER belum ada; tulislah seperti: siaga112 block 0812",
    "blocks --nope": "blocks: tidak ada opsi --nope; ",
    "mark 1.1 prnk": 'MARK tidak dapat berupa "prnk", hanya genuine, information, silent, prank; maksud Anda',
    "blocks x": 'blocks: "x" berlebih; lihat: siaga112 blocks -h',
    "--lang id bloks": 'tidak ada perintah "bloks"; maksud Anda blocks atau block?',
    f"block {WHO} --reason surat": "block: sebutkan lamanya: --for DURATION atau --permanent; lihat: ",
    f"block {WHO} --for soon --reason surat": 'block: --for: bukan jangka waktu: "soon" (tulis ',
}


@pytest.mark.parametrize("given", WRONG)
def test_what_is_written_wrong_is_said_in_indonesian(site: Site, given: str) -> None:
    """A wrong use is one line in Indonesian, in which names of commands and options stay as they are."""
    out, err = site(given)
    assert (out, err.count("\n")) == ("", 1)
    assert WRONG[given] in err


def test_every_command_is_asked_or_said_to_be_english() -> None:
    """Every command is either in ANSWERS or in ENGLISH."""
    asked = {given.split()[0] for given in ANSWERS}
    assert asked | set(ENGLISH) == set(COMMANDS)
    assert not asked & set(ENGLISH)


def test_what_is_away_is_said_in_indonesian(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An absent daemon, database or Redis is reported in Indonesian."""
    site, found = Site(tmp_path, monkeypatch), {}
    for more in (
        "",
        '[redis]\nurl = "redis://127.0.0.1:1/0"\n',
        '[database]\nurl = "postgresql://x@127.0.0.1:1/x"\n',
    ):
        site.write("id", more)
        for given in ("top --once", f"why {WHO}", "blocks", f"mode off {WHY}", "rebuild", "migrate"):
            if said := site.remains(given):
                found[more, given] = said
    assert found == {}


def test_json_is_the_same_in_any_language(site: Site) -> None:
    """`--json` prints the same in every language."""
    site(f"block {WHO} --for 7d {WHY}")
    for given in ("blocks", "calls --since 3d", "audit", "callbacks", f"why {WHO}"):
        told = set()
        for lang in ("en", "id"):
            site.write(lang)
            told.add(site(f"{given} --json")[0])
        assert len(told) == 1, given
        assert told != {"[]\n"}, given
