"""Faults of the AMI, the dialplan, Redis, the database and the daemon; and the list of all faults."""

import asyncio
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Final

from siaga112.adapters.database.versions import KNOWN
from siaga112.app.desk import open_supervisor
from siaga112.app.records import open_store
from siaga112.core.model import Mode
from siaga112.doctor.manager import CLASSES, REACH
from siaga112.settings.loading import load
from tests.lab.agi_stub import agi_stub
from tests.lab.asterisk import SHIPPED
from tests.lab.postgres import postgres, with_tables
from tests.lab.sipp import place_call
from tests.pbx.doctor import host_faults, pbx_faults
from tests.pbx.doctor.bench import FORGOTTEN, Bench, closed_port
from tests.pbx.doctor.fault import Arrange, Edit, Fault, Settings
from tests.pbx.doctor.pbx_faults import FORGOTTEN_TRUNK, unread
from tests.waiting import until, within

USER: Final = "manager.d/siaga112.conf"
READ: Final = "read = system,call,agent,user,dialplan,dtmf"
PERMIT_REMEDY: Final = (
    f"in {USER} [siaga112]: deny = 0.0.0.0/0.0.0.0, and permit = the daemon's address/255.255.255.255"
)
GUARD: Final = " same => n,Gosub(siaga112-screen,s,1)\n"
GUARD_REMEDY: Final = (
    "in [siaga112-incoming], before Answer() and the menu: same => n,Gosub(siaga112-screen,s,1)"
)
START: Final = "systemctl start siaga112.target (or: siaga112 run)"
COPY: Final = "siaga112 files asterisk --to /etc/asterisk"
FILTER_REMEDY: Final = f"in {USER} [siaga112]: the eventfilter lines that we ship ({COPY} --diff)"
DIFFERENT_REMEDY: Final = f"{COPY} --diff; then on the PBX: asterisk -rx 'dialplan reload'"
RELOAD: Final = "on the PBX: asterisk -rx 'module reload manager'"
BIND_REMEDY: Final = f"in manager.conf [general]: bindaddr = 127.0.0.1 (then {RELOAD})"
ACL_REMEDY: Final = "in redis-acl.conf: this user as `siaga112 acl` prints it"
OLDER_GONE: Final = ("DEL", "siaga112:{lab}:allowed", "siaga112:{lab}:carried")
GRANT_REMEDY: Final = "in redis-acl.conf: add +info +time for this user"
VOUCHED_REMEDY: Final = (
    "in extensions.conf [globals]: SIAGA_TRUST=verstat, if the carrier writes verstat; else in "
    "[policy.trust] of {config}: unattested = 1.0"
)
FIRST_FILTERS: Final = "eventfilter = ^Event: (QueueCallerJoin|AgentConnect)[[:cntrl:]]\n"

OUTSIDE_GUARD: Final = """
[siaga112-incoming]
exten => 112,1,AGI(agi://127.0.0.1:{agi_port}/screen)
 same => n,Goto(s,1)
"""
BY_STATUS: Final = """
 same => n,GotoIf($["${AGISTATUS}" = "SUCCESS"]?siaga112-ivr,s,1)
"""


def with_redis(*do: str, undo: tuple[str, ...] = ()) -> Arrange:
    """Use the bench's own Redis, after the command `do`; run the command `undo` afterwards."""

    @asynccontextmanager
    async def arrange(bench: Bench) -> AsyncIterator[Settings]:
        if not do:
            yield {"redis.url": bench.redis_url}
            return
        with bench.as_redis_admin(do, undo):
            yield {"redis.url": bench.redis_url}

    return arrange


@asynccontextmanager
async def nobody_at_ami(_: Bench) -> AsyncIterator[Settings]:
    """Point [ami] at a port without a PBX."""
    yield {"ami.port": closed_port()}


@asynccontextmanager
async def nobody_at_metrics(_: Bench) -> AsyncIterator[Settings]:
    """Point [metrics] at a port without metrics."""
    yield {"metrics.port": closed_port()}


@asynccontextmanager
async def no_func_config(bench: Bench) -> AsyncIterator[Settings]:
    """Unload func_config.so, which an Asterisk may have been built or started without."""
    await bench.lab.action({"Action": "ModuleLoad", "LoadType": "unload", "Module": "func_config.so"})
    try:
        yield {}
    finally:
        await bench.lab.action({"Action": "ModuleLoad", "LoadType": "load", "Module": "func_config.so"})


def with_module(name: str) -> Arrange:
    """Load a module that the manual says not to load."""

    @asynccontextmanager
    async def arrange(bench: Bench) -> AsyncIterator[Settings]:
        await bench.lab.action({"Action": "ModuleLoad", "LoadType": "load", "Module": name})
        try:
            yield {}
        finally:
            await bench.lab.action({"Action": "ModuleLoad", "LoadType": "unload", "Module": name})

    return arrange


@asynccontextmanager
async def wide_and_unread(bench: Bench) -> AsyncIterator[Settings]:
    """Give the AMI user more rights than it needs, while Asterisk does not show us its files."""
    async with (
        no_func_config(bench),
        bench.edited(Edit(USER, "write = reporting", "write = reporting,originate")),
    ):
        yield {}


def bound(line: str) -> Arrange:
    """Put this line in place of bindaddr, without a reload."""
    return unread("manager.conf", "bindaddr = 127.0.0.1\n", line)


@asynccontextmanager
async def prompt_lost(bench: Bench) -> AsyncIterator[Settings]:
    """Take one prompt away from Asterisk."""
    folder = bench.pbx.folder / "data/sounds/id/siaga112"
    ours = folder.readlink()
    folder.unlink()
    try:
        shutil.copytree(ours, folder)
        (folder / "menu.wav").unlink()
        yield {}
    finally:
        shutil.rmtree(folder)
        folder.symlink_to(ours)


@asynccontextmanager
async def prompt_empty(bench: Bench) -> AsyncIterator[Settings]:
    """Replace one prompt by an empty file."""
    async with prompt_lost(bench) as settings:
        (bench.pbx.folder / "data/sounds/id/siaga112/menu.wav").touch()
        (bench.pbx.folder / "data/sounds/id/siaga112/menu.txt").write_text("Untuk keadaan darurat", "utf-8")
        yield settings


@asynccontextmanager
async def sounds_elsewhere(bench: Bench) -> AsyncIterator[Settings]:
    """Hide the sounds, as if they were on another machine."""
    sounds = bench.pbx.folder / "data/sounds"
    away = sounds.rename(sounds.with_name("sounds-away"))
    try:
        yield {}
    finally:
        away.rename(sounds)


@asynccontextmanager
async def silent_daemon(_: Bench) -> AsyncIterator[Settings]:
    """Run an AGI server that accepts and never answers."""
    port = closed_port()
    async with agi_stub(port, silent=True):
        yield {"agi.port": port}


@asynccontextmanager
async def another_server(_: Bench) -> AsyncIterator[Settings]:
    """Run a FastAGI server that is not ours."""
    port = closed_port()
    async with agi_stub(port, ("SET VARIABLE HELLO 1",)):
        yield {"agi.port": port}


RELAY_SECONDS: Final = 30.0


@asynccontextmanager
async def slow_daemon(bench: Bench) -> AsyncIterator[Settings]:
    """Put a relay before the real daemon that delays each of its lines by 200 ms."""
    port = closed_port()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with within(RELAY_SECONDS, "the end of a relayed question"):
            ours_in, ours_out = await asyncio.open_connection("127.0.0.1", bench.pbx.agi_port)
            ours_out.write(await reader.readuntil(b"\n\n"))
            while line := await ours_in.readline():
                await asyncio.sleep(0.2)  # the fault itself
                writer.write(line)
                ours_out.write(await reader.readline())
        ours_out.close()
        writer.close()

    server = await asyncio.start_server(relay, "127.0.0.1", port)
    try:
        yield {"agi.port": port}
    finally:
        server.close()


@asynccontextmanager
async def stopped(bench: Bench) -> AsyncIterator[Settings]:
    """Stop the daemon and with it the embedded Redis."""
    await bench.daemon.stop()
    try:
        yield {}
    finally:
        await bench.restart_daemon()


@asynccontextmanager
async def trunk_forgotten(bench: Bench) -> AsyncIterator[Settings]:
    """Place a call over a trunk whose context the configuration does not name."""
    try:
        async with bench.edited(FORGOTTEN_TRUNK):
            call = await place_call(bench.pbx, number="081234567890", source=FORGOTTEN)
            await call.ended()
        await bench.daemon.shows('calls_unfollowed_total{context="from-forgotten",site="lab"} 1.0')
        yield {}
    finally:
        await bench.daemon.stop()
        await bench.restart_daemon()


@asynccontextmanager
async def pbx_lost(bench: Bench) -> AsyncIterator[Settings]:
    """Restart the PBX with another secret: it refuses the daemon, which waits for it."""
    user = Edit(USER, "secret = lab-siaga112-made-up", "secret = another")
    since = len(bench.daemon.lines)
    async with bench.edited(user):
        await bench.lab.close()
        await bench.pbx.restart()
        bench.lab = await bench.pbx.observe()
        await bench.daemon.event("ami_refused", since=since)  # the restart ended its connection
        yield {}
    await bench.daemon.event("ami_connected", since=since)


@asynccontextmanager
async def mode_off(bench: Bench) -> AsyncIterator[Settings]:
    """Switch the mode to off."""
    settings = load(bench.daemon.config)
    store = open_store(settings)
    supervisor = open_supervisor(settings, store, "bench")
    await supervisor.set_mode(Mode.OFF, "flood")
    try:
        yield {}
    finally:
        await supervisor.set_mode(Mode.ENFORCE, "")
        await store.close()


@asynccontextmanager
async def open_state(bench: Bench) -> AsyncIterator[Settings]:
    """Make the state directory readable for everybody."""
    state = bench.daemon.folder / "state"
    state.chmod(0o755)
    try:
        yield {}
    finally:
        state.chmod(0o700)


@asynccontextmanager
async def damaged_state(bench: Bench) -> AsyncIterator[Settings]:
    """Leave the file that a start with a damaged outbox sets aside."""
    aside = bench.daemon.folder / "state" / "outbox.db.damaged-1"
    aside.touch()
    try:
        yield {}
    finally:
        aside.unlink()


@asynccontextmanager
async def shared_load(bench: Bench) -> AsyncIterator[Settings]:
    """Give three callers a strike over each of two trunks, as from an exchange that uses both in turn."""
    file = bench.daemon.folder / "state" / "siaga112.db"
    numbers, now = [f"+62812000000{n}" for n in range(10, 13)], round(time.time() * 1_000)

    def told(statement: str, *rows: tuple[object, ...]) -> None:
        with closing(sqlite3.connect(file, timeout=20)) as database, database:
            database.executemany(statement, rows)

    told(
        "INSERT INTO strike SELECT id, ?, ?, ?, 'ivr_prank', 'left_menu', NULL, ?, 0 FROM site",
        *((number, f"{now}.{n}", now, f"PJSIP/telkom-{n}") for number in numbers for n in (1, 2)),
    )
    try:
        yield {}
    finally:
        told("DELETE FROM strike WHERE caller = ?", *((number,) for number in numbers))


@asynccontextmanager
async def newer_tables(bench: Bench) -> AsyncIterator[Settings]:
    """Give the tables a newer version's number; a running daemon checks it only at its start."""
    file = bench.daemon.folder / "state" / "siaga112.db"

    def version(number: str) -> None:
        with closing(sqlite3.connect(file, timeout=20)) as database, database:
            database.execute("UPDATE alembic_version SET version_num = ?", (number,))

    version("9999")
    try:
        yield {}
    finally:
        version(KNOWN[-1])


@asynccontextmanager
async def careless_postgresql(_: Bench) -> AsyncIterator[Settings]:
    """Run a PostgreSQL that may lose acknowledged data for the sake of speed."""
    with postgres() as server:
        yield {"database.url": with_tables(server.url)}


@asynccontextmanager
async def empty_postgresql(_: Bench) -> AsyncIterator[Settings]:
    """Run a PostgreSQL without our tables."""
    with postgres() as server:
        yield {"database.url": server.url}


@asynccontextmanager
async def standby(_: Bench) -> AsyncIterator[Settings]:
    """Run a PostgreSQL as a standby."""
    with postgres() as server:
        with_tables(server.url)
        server.follow()
        yield {"database.url": server.url}


@asynccontextmanager
async def no_state(bench: Bench) -> AsyncIterator[Settings]:
    """Name a state directory that does not exist."""
    yield {"state_dir": f"{bench.daemon.folder}/none", "redis.url": bench.redis_url}


@asynccontextmanager
async def told_secret(bench: Bench) -> AsyncIterator[Settings]:
    """Write the AMI secret into the configuration, and make that readable for everybody."""
    config = bench.daemon.config
    text = config.read_text("utf-8")
    config.write_text(text.replace("[ami]\n", '[ami]\nsecret = "in the open"\n'), "utf-8")
    config.chmod(0o644)
    try:
        yield {}
    finally:
        config.write_text(text, "utf-8")


@asynccontextmanager
async def no_queue_log(bench: Bench) -> AsyncIterator[Settings]:
    """Name a queue_log that does not exist."""
    yield {"pbx.queue_log": f"{bench.daemon.folder}/queue_log"}


@asynccontextmanager
async def no_snapshot(bench: Bench) -> AsyncIterator[Settings]:
    """Make a folder in place of Redis's snapshot file, so that Redis cannot write it."""
    folder = Path(bench.redis.ask("CONFIG", "GET", "dir")["dir"]) / "dump.rdb"

    async def snapshot(status: str) -> None:
        await until(lambda: bench.redis.ask("INFO", "persistence")["aof_rewrite_in_progress"] == 0)
        bench.redis.ask("BGSAVE")
        await until(lambda: bench.redis.ask("INFO", "persistence")["rdb_bgsave_in_progress"] == 0)
        assert bench.redis.ask("INFO", "persistence")["rdb_last_bgsave_status"] == status

    folder.mkdir()
    try:
        await snapshot("err")
        yield {"redis.url": bench.redis_url}
    finally:
        folder.rmdir()
        await snapshot("ok")


FAULTS: Final = (
    *pbx_faults.FAULTS,
    *host_faults.FAULTS,
    Fault(
        "the PBX is not there",
        "fail",
        "AMI login",
        "the PBX does not answer at …: …",
        "in manager.conf [general]: enabled = yes, bindaddr = 127.0.0.1; "
        "in [ami] of {config}: host and port as there",
        arrange=nobody_at_ami,
    ),
    Fault(
        "the secret is wrong",
        "fail",
        "AMI login",
        "{ami} refuses siaga112: Authentication failed",
        f"in [ami] of {{config}}: username and secret as in {USER} (then {RELOAD})",
        settings={"ami.secret": "wrong"},
        versions=("22", "16"),
    ),
    Fault(
        "the secret is the one that we ship",
        "warn",
        "AMI login",
        "Asterisk … at {ami} lets us in with the secret that we ship",
        f"in {USER} and in [ami] of {{config}}: another secret",
        edits=(Edit(USER, "secret = lab-siaga112-made-up", "secret = change-me"),),
        settings={"ami.secret": "change-me"},
    ),
    Fault(
        "the secret is short",
        "warn",
        "AMI login",
        "Asterisk … at {ami} lets us in with a secret of 6 characters, which can be guessed",
        f"in {USER} and in [ami] of {{config}}: another secret (openssl rand -hex 16)",
        edits=(Edit(USER, "secret = lab-siaga112-made-up", "secret = s3cret"),),
        settings={"ami.secret": "s3cret"},
    ),
    *(
        Fault(
            f"{name}.so is loaded",
            "warn",
            "AMI reach",
            f"whoever has our AMI secret {REACH[name]}: {name}.so is loaded",
            f"in modules.conf: noload = {name}.so (at once: asterisk -rx 'module unload {name}.so'), if your "
            "dialplan does without it",
            arrange=with_module(f"{name}.so"),
            versions=("22", "16"),
        )
        for name in ("func_realtime", "func_sorcery")
    ),
    Fault(
        "func_config.so is loaded, as the doctor needs it",
        "warn",
        "AMI reach",
        f"whoever has our AMI secret {REACH['func_config']}: func_config.so is loaded",
        "when nothing else is left to do here, in modules.conf: noload = func_config.so (at once: "
        "asterisk -rx 'module unload func_config.so'), if your dialplan does without it",
        versions=("22", "16"),
    ),
    Fault(
        "the AMI user is let in from everywhere",
        "warn",
        "AMI permit",
        "the user is let in from every machine: nothing denies it",
        PERMIT_REMEDY,
        edits=(Edit(USER, "deny = 0.0.0.0/0.0.0.0\n"),),
        versions=("22", "16"),
    ),
    Fault(
        "the AMI user is let in from a whole network",
        "warn",
        "AMI permit",
        "the user is let in from more than one machine: permit = 10.0.0.0/255.0.0.0",
        PERMIT_REMEDY,
        edits=(Edit(USER, "permit = 127", "permit = 10.0.0.0/255.0.0.0\npermit = 127"),),
        versions=("22", "16"),
    ),
    Fault(
        "a named list says from where",
        "-",
        "AMI permit",
        "not checked: acl = ours decides",
        "on the PBX: asterisk -rx 'acl show ours'",
        edits=(
            Edit(USER, "write = reporting", "acl = ours\nwrite = reporting"),
            Edit("acl.conf", "", "[ours]\ndeny = 0.0.0.0/0\npermit = 127.0.0.1\n"),
        ),
    ),
    Fault(
        "the AMI user receives too much",
        "warn",
        "AMI read classes",
        "the user receives more than siaga112 needs: read = log",
        f"in {USER} [siaga112]: {READ}",
        edits=(Edit(USER, READ, f"{READ},log"),),
    ),
    Fault(
        "the AMI user has too many rights, and Asterisk does not read us its files",
        "warn",
        "AMI write class",
        "the user may more than siaga112 needs: Originate",
        f"in {USER} [siaga112]: write = reporting",
        arrange=wide_and_unread,
        versions=("22", "16"),
    ),
    Fault(
        "the write class reporting is missing",
        "fail",
        "AMI write class",
        "the user lacks the write class reporting: siaga112 cannot ask what is going on, and waits",
        f"in {USER} [siaga112]: write = reporting",
        edits=(Edit(USER, "write = reporting", "write ="),),
        versions=("22", "16"),
    ),
    Fault(
        "what only reporting shows",
        "-",
        "dialplan guard",
        "not checked: needs an AMI user with write = reporting",
        "",
        edits=(Edit(USER, "write = reporting", "write ="),),
    ),
    Fault(
        "the AMI user has too many rights",
        "warn",
        "AMI write class",
        "the user may more than siaga112 needs: write = command, originate",
        f"in {USER} [siaga112]: write = reporting",
        edits=(Edit(USER, "write = reporting", "write = reporting,originate,command"),),
    ),
    *(
        Fault(
            f"the read class {name} is missing",
            "fail",
            "AMI read classes",
            f"the user lacks the read class {name} ({lost})",
            f"in {USER} [siaga112]: {READ}",
            edits=(Edit(USER, READ, READ.replace(f"{name}", "").replace(",,", ",").strip(",")),),
            versions=("22", "16") if name == "agent" else ("22",),
        )
        for name, lost in CLASSES.items()
    ),
    Fault(
        "the write timeout is the default",
        "warn",
        "AMI write timeout",
        "writetimeout is 100 ms, the default: a busy moment costs the connection, and its events",
        f"in {USER} [siaga112]: writetimeout = 5000",
        edits=(Edit(USER, "writetimeout = 5000"),),
    ),
    Fault(
        "the write timeout is low",
        "warn",
        "AMI write timeout",
        "writetimeout is 250 ms: a busy moment costs the connection, and its events",
        f"in {USER} [siaga112]: writetimeout = 5000",
        edits=(Edit(USER, "writetimeout = 5000", "writetimeout = 250"),),
    ),
    Fault(
        "there is no event filter",
        "warn",
        "AMI event filter",
        "no event filter: the PBX sends 100 to 180 events a call, not 10 to 20",
        FILTER_REMEDY,
        edits=(Edit(USER, "eventfilter = ", "; "),),
        versions=("22", "16"),
    ),
    Fault(
        "the event filter keeps the queue from us",
        "fail",
        "AMI event filter",
        "the event filter keeps events from us: it lacks ^Event: (QueueCallerJoin|AgentConnect)[[:cntrl:]]",
        FILTER_REMEDY,
        edits=(Edit(USER, FIRST_FILTERS),),
    ),
    Fault(
        "the event filter lets more through than we read",
        "warn",
        "AMI event filter",
        "the event filter is not ours: has Event: DeviceStateChange",
        FILTER_REMEDY,
        edits=(Edit(USER, FIRST_FILTERS, f"{FIRST_FILTERS}eventfilter = Event: DeviceStateChange\n"),),
    ),
    Fault(
        "the AMI is open to the network",
        "warn",
        "AMI address",
        "the AMI listens on every address of the PBX from the next reload on: bindaddr = 0.0.0.0",
        BIND_REMEDY,
        arrange=bound("bindaddr = 0.0.0.0\n"),
        versions=("22", "16"),
    ),
    Fault(
        "the AMI is open to the network, further down in the file",
        "warn",
        "AMI address",
        "the AMI listens on every address of the PBX from the next reload on: bindaddr = ::",
        BIND_REMEDY,
        arrange=bound("bindaddr = 127.0.0.1\n[general](+)\nbindaddr = ::\n"),
        versions=("22", "16"),
    ),
    Fault(
        "manager.conf does not say where the AMI listens",
        "warn",
        "AMI address",
        "the AMI listens on every address of the PBX from the next reload on: bindaddr is not set",
        BIND_REMEDY,
        arrange=bound(""),
    ),
    Fault(
        "events carry no time",
        "warn",
        "AMI timestamps",
        "events carry no time of the PBX's: calls are timed by their arrival here",
        "in manager.conf [general]: timestampevents = yes",
        edits=(Edit("manager.conf", "timestampevents = yes"),),
        versions=("22", "16"),
    ),
    Fault(
        "Asterisk does not read us its files",
        "-",
        "AMI timestamps",
        "not checked: Asterisk's function AST_CONFIG is missing",
        "on the PBX, for as long as doctor runs: asterisk -rx 'module load func_config.so'",
        arrange=no_func_config,
        versions=("22", "16"),
    ),
    Fault(
        "our dialplan is not included",
        "fail",
        "dialplan file",
        "the dialplan has no context [siaga112-screen]",
        f"in extensions.conf: #tryinclude extensions_siaga112.conf ({COPY})",
        edits=(Edit("extensions.conf", f'#include "{SHIPPED}/extensions_siaga112.conf"'),),
    ),
    Fault(
        "our dialplan is old, or edited",
        "warn",
        "dialplan file",
        "extensions_siaga112.conf is not the one of this version: [siaga112-blocked] reject,2 is Hangup(17)",
        DIFFERENT_REMEDY,
        edits=(
            Edit(
                "extensions.conf",
                "Set(SIAGA_REJECTED=reject)\n same => n,Hangup(21)",
                "Set(SIAGA_REJECTED=reject)\n same => n,Hangup(17)",
            ),
        ),
        versions=("22", "16"),
    ),
    Fault(
        "our dialplan lacks a part",
        "warn",
        "dialplan file",
        "extensions_siaga112.conf is not the one of this version: [siaga112-screen] T,1 is missing",
        DIFFERENT_REMEDY,
        edits=(Edit("extensions.conf", "exten => T,1,Goto(s,restore)"),),
    ),
    Fault(
        "the guard is not called",
        "fail",
        "dialplan guard",
        "calls in [siaga112-incoming] are let in without asking: nothing leads to siaga112-screen",
        GUARD_REMEDY,
        edits=(Edit("extensions.conf", GUARD),),
        versions=("22", "16"),
    ),
    Fault(
        "the guard is called after Answer()",
        "warn",
        "dialplan guard",
        "calls in [siaga112-incoming] may come to Answer() before they are asked about (…): "
        "who is rejected then has been answered, and charged",
        GUARD_REMEDY,
        edits=(Edit("extensions.conf", GUARD, f" same => n,Answer()\n{GUARD}"),),
        versions=("22", "16"),
    ),
    Fault(
        "the guard is called after the menu",
        "warn",
        "dialplan guard",
        "calls in [siaga112-incoming] may come to Background(hello) before they are asked about (…): "
        "who is rejected then has been answered, and charged",
        GUARD_REMEDY,
        edits=(Edit("extensions.conf", GUARD, f" same => n,Background(hello)\n{GUARD}"),),
    ),
    Fault(
        "one number goes around the guard",
        "warn",
        "dialplan guard",
        "calls to 113 in [siaga112-incoming] are let in without asking",
        f"{GUARD_REMEDY}; or, if these are not 112: in [pbx] of {{config}}: numbers = those that are",
        edits=(
            Edit("extensions.conf", GUARD, f"{GUARD}exten => 113,1,Queue(siaga112)\nexten => s,3,NoOp()\n"),
        ),
    ),
    Fault(
        "the trunk's context has another name",
        "fail",
        "dialplan guard",
        "the dialplan has no trunk context [from-outside]",
        "in [pbx] of {config}: trunk_contexts = the context of your trunks (pjsip.conf)",
        settings={"pbx.trunk_contexts": ["from-outside"]},
    ),
    Fault(
        "112 is not among the trunk's numbers",
        "warn",
        "dialplan numbers",
        "no trunk context takes calls for operator",
        "in [pbx] of {config}: numbers = as your trunk delivers them",
        settings={"pbx.numbers": ["operator"]},
    ),
    Fault(
        "marks are to be spoken, and the dialplan beeps",
        "warn",
        "marks confirmed",
        "marks are confirmed by beeps, though [operators] confirm is voice",
        "in extensions.conf [globals]: SIAGA_CONFIRM=voice",
        settings={"operators.confirm": "voice"},
    ),
    Fault(
        "only calls count that are vouched for, and nobody can",
        "fail",
        "numbers vouched for",
        "nobody ever gets a strike: unattested is 0, and the dialplan lets nobody vouch for a number",
        VOUCHED_REMEDY,
        settings={"policy.trust.unattested": 0},
        versions=("22", "16"),
    ),
    Fault(
        "numbers are to be vouched for, and nobody can",
        "warn",
        "numbers vouched for",
        "every call weighs 0.5: the dialplan lets nobody vouch for a number",
        VOUCHED_REMEDY,
        settings={"policy.trust.unattested": 0.5},
    ),
    Fault(
        "the dialplan asks at another port",
        "fail",
        "dialplan AGI address",
        "the dialplan asks agi://127.0.0.1:4574/screen, but [agi] port is {agi_port}",
        "in extensions.conf [globals]: SIAGA_AGI=agi://{agi}/screen",
        edits=(
            Edit("extensions.conf", "SIAGA_AGI=agi://127.0.0.1:{agi_port}", "SIAGA_AGI=agi://127.0.0.1:4574"),
        ),
        versions=("22", "16"),
    ),
    Fault(
        "the dialplan asks for another script",
        "fail",
        "dialplan AGI address",
        "the dialplan asks agi://{agi}/screening, which is not ours",
        "in extensions.conf [globals]: SIAGA_AGI=agi://{agi}/screen",
        edits=(Edit("extensions.conf", ":{agi_port}/screen", ":{agi_port}/screening"),),
    ),
    Fault(
        "AGI() is called without the guard",
        "fail",
        "dialplan AGI bounded",
        "[siaga112-incoming] 112,1 AGI(agi://{agi}/screen) waits for ever for a daemon that does not answer",
        "in [siaga112-incoming], in place of it: same => n,Gosub(siaga112-screen,s,1)",
        edits=(Edit("extensions.conf", "[siaga112-ivr]", f"{OUTSIDE_GUARD}\n[siaga112-ivr]"),),
        versions=("22", "16"),
    ),
    Fault(
        "the guard's alarm clock is gone",
        "fail",
        "dialplan AGI bounded",
        "[siaga112-screen] s,… AGI(${{SIAGA_URL}},${{SIAGA_ASKED}}) "
        "waits for ever for a daemon that does not answer",
        "in [siaga112-screen], in place of it: same => n,Gosub(siaga112-screen,s,1)",
        edits=(Edit("extensions.conf", " same => n,Set(TIMEOUT(absolute)=2)\n"),),
    ),
    Fault(
        "the dialplan goes by AGISTATUS",
        "fail",
        "dialplan AGISTATUS",
        "[siaga112-incoming] s,3 goes by AGISTATUS: SUCCESS even after silence",
        "in [siaga112-incoming]: without that; after Gosub(siaga112-screen,s,1) go on as for any call",
        edits=(Edit("extensions.conf", GUARD, GUARD.rstrip("\n") + BY_STATUS),),
        versions=("22", "16"),
    ),
    Fault(
        "the menu's context has another name",
        "fail",
        "menus",
        "the dialplan has no menu context [ivr-112]: who gives up in the menu is unknown",
        "in [pbx] of {config}: ivr_contexts = where your menu asks",
        settings={"pbx.ivr_contexts": ["ivr-112"]},
    ),
    Fault(
        "the menu's context is no menu",
        "warn",
        "menus",
        "nothing in [office] asks for a key (Background, Read, WaitExten)",
        "in [pbx] of {config}: ivr_contexts = where your menu asks",
        settings={"pbx.ivr_contexts": ["office"]},
    ),
    Fault(
        "the queue has another name",
        "fail",
        "queues",
        "the PBX has no queue 112 (it has: siaga112)",
        "in [pbx] of {config}: queues = as in queues.conf",
        settings={"pbx.queues": ["112"]},
    ),
    Fault(
        "operators are Local channels without /n",
        "warn",
        "queues",
        "operators of siaga112 as Local/101@operators: the operator's keys are lost with such a channel",
        "in queues.conf [siaga112]: member => Local/101@operators/n",
        edits=(Edit("queues.conf", "Local/101@operators/n", "Local/101@operators"),),
        versions=("22", "16"),
    ),
    Fault(
        "the operators' keys are not included",
        "warn",
        "operators' keys",
        "operators cannot mark calls: features.conf [applicationmap] lacks "
        "siaga112-prank, siaga112-genuine, siaga112-information, siaga112-silent",
        "in features.conf: #tryinclude features_siaga112.conf",
        edits=(Edit("features.conf", "#include", ";"),),
    ),
    Fault(
        "the queue does not give operators their keys",
        "warn",
        "keys in queues",
        "operators of siaga112 have no keys to mark calls: queues.conf [siaga112] has no membergosub",
        "in queues.conf [siaga112]: membergosub = siaga112-operator "
        "(then on the PBX: asterisk -rx 'module reload app_queue.so')",
        edits=(Edit("queues.conf", "membergosub = siaga112-operator"),),
        versions=("22", "16"),
    ),
    Fault(
        "the queue has a membergosub of its own",
        "warn",
        "keys in queues",
        "operators of siaga112 have no keys to mark calls: membergosub = office gives them none",
        "in extensions.conf [office], before Return(): same => n,Gosub(siaga112-operator,s,1)",
        edits=(Edit("queues.conf", "membergosub = siaga112-operator", "membergosub = office"),),
    ),
    Fault(
        "a prompt is missing",
        "warn",
        "prompts",
        "Asterisk lacks 1 of our prompts in id: siaga112/menu",
        "siaga112 files sounds --to {sounds}",
        arrange=prompt_lost,
    ),
    Fault(
        "nobody has recorded where to object",
        "warn",
        "prompts",
        "a blocked caller does not hear in id where to object: there is no siaga112/contact",
        "record {sounds}/id/siaga112/contact.wav, or in our source: make prompts CONFIG={config} TO={sounds}",
        settings={"citizen.contact": "Diskominfo, 0254 201234"},
    ),
    Fault(
        "a prompt is an empty file",
        "warn",
        "prompts",
        "Asterisk lacks 1 of our prompts in id: siaga112/menu",
        "siaga112 files sounds --to {sounds}",
        arrange=prompt_empty,
    ),
    Fault(
        "the sounds are on another machine",
        "-",
        "prompts",
        "not checked: Asterisk's sounds are not on this machine, or not for us to read",
        "on the PBX: ls /usr/share/asterisk/sounds/id/siaga112 "
        "(siaga112 files sounds --to /usr/share/asterisk/sounds)",
        arrange=sounds_elsewhere,
    ),
    Fault(
        "Redis is not there",
        "fail",
        "Redis",
        "unix:///nowhere/redis.sock: …",
        "in [redis] of {config}: url",
        settings={"redis.url": "unix:///nowhere/redis.sock"},
    ),
    Fault(
        "Redis is a replica",
        "fail",
        "Redis",
        "{redis} is a replica, which takes no writes: no decision reaches verdicts",
        "in [redis] of {config}: url of the primary (or redis+sentinel://…)",
        arrange=with_redis("REPLICAOF", "127.0.0.1", "1", undo=("REPLICAOF", "NO", "ONE")),
    ),
    Fault(
        "Redis does not know us",
        "fail",
        "Redis",
        "{redis}: it rejects our user or password",
        "in [redis] of {config}: url",
        arrange=with_redis("ACL", "SETUSER", "siaga112", "off", undo=("ACL", "SETUSER", "siaga112", "on")),
    ),
    Fault(
        "Redis keeps nothing",
        "warn",
        "Redis persistence",
        "Redis keeps no append-only file: after its restart callers go through until the block list is "
        "made again",
        "in redis.conf: appendonly yes (at once: redis-cli CONFIG SET appendonly yes)",
        arrange=with_redis("CONFIG", "SET", "appendonly", "no", undo=("CONFIG", "SET", "appendonly", "yes")),
    ),
    Fault(
        "Redis cannot write to its disk",
        "fail",
        "Redis persistence",
        "Redis could not write its data to disk",
        "on its machine: df -h; then redis.conf: dir",
        arrange=no_snapshot,
    ),
    Fault(
        "Redis evicts",
        "fail",
        "Redis eviction",
        "Redis throws blocks away when its memory is full: allkeys-lru",
        "in redis.conf: maxmemory-policy noeviction",
        arrange=with_redis(
            *("CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru"),
            undo=("CONFIG", "SET", "maxmemory", "0", "maxmemory-policy", "noeviction"),
        ),
    ),
    Fault(
        "Redis would evict",
        "warn",
        "Redis eviction",
        "maxmemory-policy is volatile-ttl: a maxmemory would throw blocks away",
        "in redis.conf: maxmemory-policy noeviction",
        arrange=with_redis(
            *("CONFIG", "SET", "maxmemory-policy", "volatile-ttl"),
            undo=("CONFIG", "SET", "maxmemory-policy", "noeviction"),
        ),
    ),
    Fault(
        "the Redis user has too few rights",
        "fail",
        "Redis rights",
        "the user may not do what siaga112 does: HSET, XADD",
        ACL_REMEDY,
        arrange=with_redis(
            *("ACL", "SETUSER", "siaga112", "-hset", "-xadd"),
            undo=("ACL", "SETUSER", "siaga112", "+hset", "+xadd"),
        ),
    ),
    Fault(
        "the Redis user may not run scripts",
        "fail",
        "Redis rights",
        "the user may not do what siaga112 does: EVAL",
        ACL_REMEDY,
        arrange=with_redis(
            "ACL", "SETUSER", "siaga112", "-eval", undo=("ACL", "SETUSER", "siaga112", "+eval")
        ),
    ),
    Fault(
        "the Redis user may not ask",
        "-",
        "Redis persistence",
        "not checked: the user may not ask INFO",
        GRANT_REMEDY,
        arrange=with_redis(
            "ACL", "SETUSER", "siaga112", "-info", undo=("ACL", "SETUSER", "siaga112", "+info")
        ),
    ),
    Fault(
        "the Redis user has too many rights",
        "warn",
        "Redis rights",
        "the user may do what siaga112 never does: FLUSHALL, KEYS",
        ACL_REMEDY,
        arrange=with_redis(
            *("ACL", "SETUSER", "siaga112", "+flushall", "+keys"),
            undo=("ACL", "SETUSER", "siaga112", "-flushall", "-keys"),
        ),
    ),
    Fault(
        "the Redis user may read others' keys",
        "warn",
        "Redis rights",
        "the user may do what siaga112 never does: GET another:key, SET another:key 1",
        ACL_REMEDY,
        arrange=with_redis(
            *("ACL", "SETUSER", "siaga112", "~*"),
            undo=("ACL", "SETUSER", "siaga112", "resetkeys", "~siaga112:{lab}:*", "~siaga112:lab:*"),
        ),
    ),
    Fault(
        "the Redis user may read other centres' keys",
        "warn",
        "Redis rights",
        "the user opens the keys of other sites too, and their callers' numbers",
        ACL_REMEDY,
        arrange=with_redis(
            *("ACL", "SETUSER", "siaga112", "~siaga112:*"),
            undo=("ACL", "SETUSER", "siaga112", "resetkeys", "~siaga112:{lab}:*", "~siaga112:lab:*"),
        ),
    ),
    Fault(
        "an older siaga112 kept everything in Redis",
        "fail",
        "Redis of before",
        "calls, blocks and the allow list of siaga112 before 0.1.0 are there, and not in the database",
        "siaga112 migrate --from-redis",
        arrange=with_redis("SADD", "siaga112:{lab}:allowed", "+6281211111111", undo=OLDER_GONE),
    ),
    Fault(
        "what an older siaga112 kept is in Redis still",
        "warn",
        "Redis of before",
        "what siaga112 before 0.1.0 kept is carried over, and still there, where `forget` does not reach",
        "when nobody goes back to that version: siaga112 migrate --forget-old",
        arrange=with_redis(
            *("EVAL", "redis.call('SADD', KEYS[1], '+6281211111111') redis.call('SET', KEYS[2], '1')"),
            *("2", *OLDER_GONE[1:]),
            undo=OLDER_GONE,
        ),
    ),
    Fault(
        "no daemon has run here yet",
        "fail",
        "database",
        "the database does not answer: there is no …/none/siaga112.db; the daemon creates it at its first "
        "start (siaga112 run); or set state_dir or [database] url as for the daemon",
        "siaga112 run makes it",
        arrange=no_state,
    ),
    Fault(
        "PostgreSQL is not there",
        "fail",
        "database",
        "the database does not answer: …",
        "in [database] of {config}: url",
        settings={"database.url": "postgresql://siaga112:hunter2@127.0.0.1:1/siaga112"},
    ),
    Fault(
        "PostgreSQL has no tables yet",
        "fail",
        "database",
        "postgresql://…: it has no tables yet",
        "siaga112 migrate",
        arrange=empty_postgresql,
    ),
    Fault(
        "the tables are of a newer version",
        "fail",
        "database",
        "SQLite in {state}: its tables have version 9999, newer than this program's",
        "install the newer siaga112 here too; or go back as docs/upgrade.md says",
        arrange=newer_tables,
    ),
    Fault(
        "two trunks share one exchange's calls",
        "warn",
        "trunks",
        "the misuses of 3 numbers came over several trunks (PJSIP/telkom-1, PJSIP/telkom-2) in the last "
        "7 days: those close together count for nothing",
        'in [policy.trust] of {config}: burst = "0s", if these trunks share the calls of one exchange; else '
        "ask the carriers who writes these numbers",
        arrange=shared_load,
    ),
    Fault(
        "PostgreSQL is a standby",
        "fail",
        "database",
        "postgresql://… is a replica, which takes no writes",
        "in [database] of {config}: the address of the primary",
        arrange=standby,
    ),
    Fault(
        "PostgreSQL may lose what it has acknowledged",
        "warn",
        "database",
        "a crash of PostgreSQL can lose calls that it has acknowledged: fsync = off",
        "in postgresql.conf: take that out, or set it to on",
        arrange=careless_postgresql,
    ),
    Fault(
        "nobody has switched to enforce yet (a note)",
        "ok",
        "mode",
        "observe: nobody is rejected yet (siaga112 mode enforce begins to)",
        "",
        settings={"site": "new", "mode": "observe"},
    ),
    Fault(
        "the kill switch is on",
        "warn",
        "mode",
        "off: every call goes through, no strikes are given",
        "siaga112 mode observe",
        arrange=mode_off,
    ),
    Fault(
        "the daemon accepts and does not answer",
        "fail",
        "AGI round trip",
        "agi://…/screen gives no verdict: no verdict within 3 s",
        START,
        arrange=silent_daemon,
    ),
    Fault(
        "somebody else answers at the AGI port",
        "fail",
        "AGI round trip",
        "agi://…/screen does not answer as siaga112 does",
        "in [agi] of {config}: the host and port of siaga112",
        arrange=another_server,
    ),
    Fault(
        "a verdict takes too long",
        "fail",
        "AGI round trip",
        "agi://…/screen took … ms, more than [agi] deadline_ms 300",
        "on its machine: look for what takes its time (top, iostat)",
        arrange=slow_daemon,
    ),
    Fault(
        "the metrics do not answer",
        "fail",
        "daemon",
        "http://…/metrics does not answer, though verdicts come: connection refused",
        "in [metrics] of {config}: host and port, as in your prometheus.yml",
        arrange=nobody_at_metrics,
    ),
    Fault(
        "a key that needs a restart was changed",
        "warn",
        "configuration",
        "the daemon still runs with other values of: ami.clock_tolerance, metrics.runbook_url",
        "systemctl restart siaga112-track siaga112-screen (calls go through meanwhile)",
        settings={"ami.clock_tolerance": "5m", "metrics.runbook_url": "https://wiki.example/runbook"},
        versions=("22", "16"),
    ),
    Fault(
        "a key that a reload takes over was changed, and nobody has reloaded",
        "warn",
        "configuration",
        "the daemon has not taken over yet: policy.threshold, service_level.answer_within",
        "systemctl reload siaga112-track siaga112-screen (or SIGHUP to the process)",
        settings={"policy.threshold": [3], "service_level.answer_within": "15s"},
    ),
    Fault(
        "a trunk's context is left out of the configuration, and a call comes in there",
        "warn",
        "calls followed",
        "1 screened call came in [from-forgotten], which is no trunk's context here: they are in no ledger",
        'in [pbx] of {config}: trunk_contexts = ["siaga112-incoming", "from-forgotten"] '
        "(not if only your own phones call from there)",
        arrange=trunk_forgotten,
        versions=("22", "16"),
    ),
    Fault(
        "everybody may look into the state directory",
        "warn",
        "state directory",
        "{state} holds callers' numbers, and every user of this machine may look in",
        "chmod 700 {state}",
        arrange=open_state,
    ),
    Fault(
        "the outbox was damaged",
        "warn",
        "state directory",
        "what was there at a start was damaged, and set aside: {state}/outbox.db.damaged-1",
        "calls that waited in it are in no ledger; look at the disk (dmesg); then remove it",
        arrange=damaged_state,
    ),
    Fault(
        "the state directory does not exist",
        "fail",
        "state directory",
        "…/none: does not exist",
        "install -d -o siaga112 -m 700 …/none (and: runuser -u siaga112 -- siaga112 doctor)",
        arrange=no_state,
    ),
    Fault(
        "everybody may read the secret",
        "fail",
        "secrets",
        "{config} holds a secret, and everybody may read it",
        "chown root:siaga112 {config}; chmod 640 {config}",
        arrange=told_secret,
    ),
    Fault(
        "the queue_log cannot be read",
        "fail",
        "queue_log",
        "[pbx] queue_log …/queue_log: no such file or folder",
        "usermod -aG asterisk siaga112; chmod g+r …/queue_log",
        arrange=no_queue_log,
    ),
)
"""Each fault is made alone, on a bench that is otherwise in order."""

STOPPED: Final = Fault(
    "the daemon is not running",
    "fail",
    "daemon",
    "the daemon is not running: {metrics} connection refused",
    START,
    arrange=stopped,
)
PBX_LOST: Final = Fault(
    "the PBX does not let the daemon in",
    "warn",
    "daemon",
    "the daemon waits for ami",
    "journalctl -u 'siaga112-*': its last lines say why",
    arrange=pbx_lost,
)
CLOCK: Final = Fault(
    "this machine's clock is wrong",
    "fail",
    "PBX clock",
    "the PBX's clock is 9… s behind ours",
    "on both machines: apt install chrony (or systemctl enable --now systemd-timesyncd)",
)
REDIS_CLOCK: Final = Fault(
    "this machine's clock is wrong",
    "fail",
    "Redis clock",
    "Redis's clock is 9… s behind ours",
    CLOCK.remedy,
)
ANOTHER_USER: Final = Fault(
    "the state directory is another user's",
    "fail",
    "state directory",
    "{state}: is not for this user to …",
    "install -d -o siaga112 -m 700 {state} (and: runuser -u siaga112 -- siaga112 doctor)",
)

EVERY: Final = (
    *FAULTS,
    host_faults.CLOCK_KEPT_BY_NOBODY,
    STOPPED,
    PBX_LOST,
    CLOCK,
    REDIS_CLOCK,
    ANOTHER_USER,
)
