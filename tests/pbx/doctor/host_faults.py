"""Faults around the daemon: its halves, the disk, the database, Redis' memory, the console, certificates."""

import asyncio
import json
import os
import sqlite3
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Final

from siaga112.core.model import DAY, SECOND
from siaga112.doctor.looking.daemon import stranger
from tests.lab.daemon import Daemon
from tests.lab.postgres import postgres, with_tables
from tests.pbx.doctor.bench import Bench, closed_port, environ
from tests.pbx.doctor.fault import Arrange, Fault, Settings
from tests.waiting import killed, until, within

LATELY: Final = round(time.time() * SECOND) - DAY

STRIKES: Final = """
INSERT INTO strike (site, caller, call, at, outcome, reason, trunk, attested)
SELECT 1, '+62812' || n, n::text, {at}, 'ivr_prank', 'left_menu', '', false
FROM generate_series(1, {count}) AS n
"""
CALLERS: Final = """
INSERT INTO caller (site, caller, version, reached, level, since, warn_until)
SELECT 1, '+62812' || n, 1, 0, 'permanent', 0, 0 FROM generate_series(1, {count}) AS n
"""
PERSON: Final = (
    "INSERT INTO person (site, name, role, made_at, made_by) VALUES (1, 'Rina', 'admin', 0, 'bench')"
)
SITE: Final = "INSERT INTO site (id, name, epoch, published) VALUES (1, 'lab', '', 0)"

CALLED: Final = """
INSERT INTO call (site, id, started, ended, raw_caller, identified, trunk, attested, outcome, reason, strike,
    facts, deciding)
VALUES (1, ?, ?, ?, '', 0, '', 0, 'unknown', 'no_evidence', 0, '', '')
"""

AS_OLD: Final = """
CREATE FUNCTION public.current_setting(text) RETURNS text LANGUAGE sql AS $$
    SELECT CASE $1 WHEN 'server_version' THEN '12.22' ELSE pg_catalog.current_setting($1) END
$$
"""
"""Makes a current server report the version of an old one."""


def with_postgresql(*statements: str, user: str = "postgres", redis: tuple[str, ...] = ()) -> Arrange:
    """Run a PostgreSQL with our tables and these statements. `redis`: a setting for the bench's Redis."""

    @asynccontextmanager
    async def arrange(bench: Bench) -> AsyncIterator[Settings]:
        with postgres() as server:
            with_tables(server.url)
            server.ask(SITE)
            for statement in statements:
                server.ask(statement)
            settings = {"database.url": server.url.replace("//postgres@", f"//{user}@")}
            if not redis:
                yield settings
                return
            with bench.as_redis_admin(("CONFIG", "SET", *redis), ("CONFIG", "SET", redis[0], "0")):
                yield {**settings, "redis.url": bench.redis_url}

    return arrange


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def with_room(options: str) -> Arrange:
    """Put the state directory on a file system of its own, mounted with these options."""

    @asynccontextmanager
    async def arrange(bench: Bench) -> AsyncIterator[Settings]:
        folder = bench.daemon.folder / "room"
        folder.mkdir()
        _run("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder))
        try:
            yield {"state_dir": str(folder)}
        finally:
            _run("umount", str(folder))
            folder.rmdir()

    return arrange


@asynccontextmanager
async def filling(bench: Bench) -> AsyncIterator[Settings]:
    """Put 1,000 calls of yesterday into a database of 1 GiB, on a disk of 3 GB.

    The file is extended without writing to it, because that would take a minute.
    """
    async with with_room("size=3g")(bench) as settings:
        folder = Path(str(settings["state_dir"]))
        kept = bench.daemon.folder / "state" / "siaga112.db"
        file = folder / "siaga112.db"
        with closing(sqlite3.connect(kept)) as source, closing(sqlite3.connect(file)) as copy:
            source.backup(copy)
            copy.execute("DELETE FROM call")
            copy.executemany(
                CALLED,
                [(str(number), LATELY, LATELY) for number in range(1000)],
            )
            copy.commit()
        os.truncate(file, 1 << 30)
        yield settings


@asynccontextmanager
async def told_hook(bench: Bench) -> AsyncIterator[Settings]:
    """Write a webhook's secret into the configuration, and make that readable for everybody."""
    config = bench.daemon.config
    text, mode = config.read_text("utf-8"), config.stat().st_mode
    config.write_text(
        f'{text}\n[events.webhooks.cad]\nurl = "https://cad.example/112"\nsecret = "whsec_{"A" * 43}="\n',
        "utf-8",
    )
    config.chmod(0o644)
    try:
        yield {}
    finally:
        config.write_text(text, "utf-8")
        config.chmod(mode)


@asynccontextmanager
async def open_credential(bench: Bench) -> AsyncIterator[Settings]:
    """Make the folder of the credentials, and a file in it, readable for everybody."""
    home = bench.daemon.folder
    folder = home / "credentials"
    folder.mkdir()
    folder.chmod(0o755)
    home.chmod(0o755)
    (folder / "AMI__SECRET").write_text("made-up", "utf-8")
    (folder / "AMI__SECRET").chmod(0o644)
    try:
        yield {}
    finally:
        home.chmod(0o700)
        (folder / "AMI__SECRET").unlink()
        folder.rmdir()


@asynccontextmanager
async def open_user_file(bench: Bench) -> AsyncIterator[Settings]:
    """Make the folder of Asterisk's files accessible to everybody."""
    bench.pbx.folder.chmod(0o755)
    try:
        yield {}
    finally:
        bench.pbx.folder.chmod(0o700)


@asynccontextmanager
async def old_queue_log(bench: Bench) -> AsyncIterator[Settings]:
    """Name a queue_log that was last written long before the PBX started."""
    file = bench.daemon.folder / "queue_log"
    file.write_text("1|NONE|NONE|NONE|QUEUESTART|\n", "utf-8")
    os.utime(file, (1, 1))
    try:
        yield {"pbx.queue_log": str(file)}
    finally:
        file.unlink()


@asynccontextmanager
async def older_program(bench: Bench) -> AsyncIterator[Settings]:
    """Leave the file of an older daemon, which did not know one of today's keys."""
    (file,) = (bench.daemon.folder / "state").glob("running.all")
    text = file.read_text("utf-8")
    told = json.loads(text)
    del told["digests"]["pbx.hidden"]
    file.write_text(json.dumps(told), "utf-8")
    try:
        yield {}
    finally:
        file.write_text(text, "utf-8")


def another(bench: Bench, environ: Mapping[str, str]) -> Daemon:
    """Return a further process with this environment added to the bench's; `{folder}` is its folder."""
    daemon = bench.daemon
    config = daemon.config.read_text("utf-8")
    own = {name: value.replace("{folder}", str(daemon.folder)) for name, value in environ.items()}
    return Daemon(daemon.folder, config, {**bench.given, **own}, daemon.metrics_port)


def apart(track: Mapping[str, str], screen: Mapping[str, str]) -> Arrange:
    """Run the two halves in place of the daemon, each with these environment variables."""

    @asynccontextmanager
    async def arrange(bench: Bench) -> AsyncIterator[Settings]:
        port = closed_port()
        await bench.daemon.stop()
        both = {"SIAGA112_METRICS__SCREEN_PORT": str(port)}
        halves = {"track": another(bench, {**both, **track}), "screen": another(bench, {**both, **screen})}
        try:
            for half, daemon in halves.items():
                await daemon.start("--only", half)
                await daemon.event("started")
            await halves["track"].ready("track")
            yield {"metrics.screen_port": port}
        finally:
            for daemon in reversed(halves.values()):
                await daemon.stop()
            await bench.restart_daemon()

    return arrange


@asynccontextmanager
async def another_console(_: Bench) -> AsyncIterator[Settings]:
    """Run another web server at the console's port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with within(20, "a request for the console's page"):
            await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        writer.close()

    port = closed_port()
    server = await asyncio.start_server(answer, "127.0.0.1", port)
    try:
        yield {"console.port": port}
    finally:
        server.close()


HOLD: Final = "import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); input()"


@asynccontextmanager
async def strange_console(_: Bench) -> AsyncIterator[Settings]:
    """Run a program of the user nobody at the console's port."""
    port = closed_port()
    process = await asyncio.create_subprocess_exec(
        *("/usr/bin/python3", "-c", HOLD, str(port)), user="nobody", cwd="/", stdin=asyncio.subprocess.PIPE
    )
    try:
        await until(lambda: stranger(port) == "nobody", 20, "somebody else at the port")
        yield {"console.port": port}
    finally:
        await killed(process)


def signed(folder: Path, name: str, *, ago: int = 1, days: int = 90) -> tuple[Path, Path]:
    """Make a self-signed certificate that began `ago` days ago, and its key; return their paths."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subject = ("-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}")
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", str(days))
    then = f"-{ago}d" if ago >= 0 else f"+{-ago}d"
    openssl = ("openssl", "req", "-x509", *new, *subject, "-keyout", str(key), "-out", str(certificate))
    _run("faketime", "-f", then, *openssl)
    key.chmod(0o640)
    return certificate, key


def certified(
    name: str = "localhost", *, ago: int = 1, days: int = 90, mode: int = 0o640, key_of: str = ""
) -> Arrange:
    """Configure the console with such a certificate, at https://localhost."""

    @asynccontextmanager
    async def arrange(bench: Bench) -> AsyncIterator[Settings]:
        certificate, key = signed(bench.daemon.folder, name, ago=ago, days=days)
        if key_of:
            key = signed(bench.daemon.folder, key_of)[1]
        key.chmod(mode)
        yield {
            "console.address": "https://localhost",
            "console.tls_cert": str(certificate),
            "console.tls_key": str(key),
            "console.port": closed_port(),
        }

    return arrange


@asynccontextmanager
async def uncertified(bench: Bench) -> AsyncIterator[Settings]:
    """Name a certificate that does not exist."""
    gone = str(bench.daemon.folder / "gone.pem")
    yield {"console.tls_cert": gone, "console.tls_key": gone, "console.port": closed_port()}


@asynccontextmanager
async def no_certificate(bench: Bench) -> AsyncIterator[Settings]:
    """Name a file that is no certificate as the certificate and its key."""
    file = str(bench.daemon.config)
    yield {"console.tls_cert": file, "console.tls_key": file, "console.port": closed_port()}


@asynccontextmanager
async def renewed(bench: Bench) -> AsyncIterator[Settings]:
    """Renew the certificate of a running console without restarting it."""
    certificate, key = signed(bench.daemon.folder, "localhost")
    port = closed_port()
    settings = {
        "console.address": "https://localhost",
        "console.tls_cert": str(certificate),
        "console.tls_key": str(key),
        "console.port": port,
    }
    async with a_console(bench, settings):
        signed(bench.daemon.folder, "localhost")
        yield settings


@asynccontextmanager
async def a_console(bench: Bench, settings: Settings) -> AsyncIterator[None]:
    """Run the real console with these settings."""
    daemon = another(bench, environ(settings))
    await daemon.start("--only", "console")
    try:
        await daemon.event("console")
        yield
    finally:
        await daemon.stop()


@asynccontextmanager
async def open_console(bench: Bench) -> AsyncIterator[Settings]:
    """Run the console on every address, without TLS."""
    settings = {"console.host": "0.0.0.0", "console.port": closed_port()}
    async with a_console(bench, settings):
        yield settings


def proxied(*, ago: int = 1, days: int = 90, name: str = "localhost") -> Arrange:
    """Run a TLS server with such a certificate in place of the console's proxy."""

    @asynccontextmanager
    async def arrange(bench: Bench) -> AsyncIterator[Settings]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*signed(bench.daemon.folder, name, ago=ago, days=days))
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        try:
            yield {"console.address": f"https://localhost:{port}"}
        finally:
            server.close()

    return arrange


@asynccontextmanager
async def no_proxy(_: Bench) -> AsyncIterator[Settings]:
    """Give the console an address that nobody serves."""
    yield {"console.address": f"https://localhost:{closed_port()}"}


DISK: Final = "on its machine: df -h …/room; make room (journalctl --vacuum-size=500M, old backups)"
FILES: Final = "on its machine: df -i …/room; find what makes so many small files, and remove them"
MEMORY: Final = "in redis.conf: maxmemory, higher (at once: redis-cli CONFIG SET maxmemory 512mb)"
RESTART: Final = "systemctl restart siaga112-console (or siaga112-track, where one process is all)"
RENEW: Final = f"renew it (certbot renew, or whoever signed it); then {RESTART}"
UNITS: Final = "systemctl restart siaga112-track siaga112-screen (calls go through meanwhile)"
NOTHING: Final = "journalctl -u 'siaga112-*': its last lines say why"

PBX_KEYS: Final = {
    "pbx.trunk_contexts": ["from-telco"],
    "pbx.numbers": ["112"],
    "pbx.region": "MY",
    "pbx.area_code": "3",
    "pbx.ivr_contexts": ["menu"],
    "pbx.hangup_contexts": ["bye"],
    "pbx.queues": ["operators"],
    "pbx.queue_log": "/nowhere",
    "pbx.hidden": "judge",
}
"""Another value for every key of [pbx] that a reload does not take over."""

FAULTS: Final = (
    Fault(
        "each key of [pbx] was changed",
        "warn",
        "configuration",
        f"the daemon still runs with other values of: {', '.join(sorted(PBX_KEYS))}",
        UNITS,
        settings=PBX_KEYS,
    ),
    Fault(
        "the half that follows calls runs with an older [pbx]",
        "warn",
        "configuration",
        "siaga112 run --only track still runs with other values of: pbx.trunk_contexts",
        UNITS,
        arrange=apart({"SIAGA112_PBX__TRUNK_CONTEXTS": '["from-telco"]'}, {}),
    ),
    Fault(
        "the half that is asked runs with an older [pbx]",
        "warn",
        "configuration",
        "siaga112 run --only screen still runs with other values of: pbx.area_code, pbx.hidden",
        UNITS,
        arrange=apart({}, {"SIAGA112_PBX__AREA_CODE": "254", "SIAGA112_PBX__HIDDEN": "judge"}),
    ),
    Fault(
        "the half that is asked keeps its state elsewhere",
        "-",
        "configuration",
        "not checked: siaga112 run --only screen does not tell here what it runs with",
        "there: siaga112 doctor, as its user; or in {config}: state_dir, as it has it",
        arrange=apart({}, {"SIAGA112_STATE_DIR": "{folder}/elsewhere"}),
    ),
    Fault(
        "the half that is asked has no Redis",
        "warn",
        "daemon",
        "siaga112 run --only screen waits for redis",
        NOTHING,
        arrange=apart({}, {"SIAGA112_REDIS__URL": "unix:///nowhere/redis.sock"}),
    ),
    Fault(
        "the half that is asked has neither Redis nor the mode",
        "fail",
        "AGI round trip",
        "agi://{agi}/screen lets everybody through, blocked or not: starting",
        "siaga112 top --once says what it misses; journalctl -u 'siaga112-*': its last lines say why",
        arrange=apart({}, {"SIAGA112_REDIS__URL": "unix:///nowhere/redis.sock"}),
    ),
    Fault(
        "the records say off, and Redis does not",
        "warn",
        "mode",
        "off: every call goes through, no strikes are given",
        "siaga112 mode observe",
        arrange=with_postgresql("UPDATE site SET mode = 'off', mode_at = 1, mode_by = 'Rina' WHERE id = 1"),
    ),
    Fault(
        "everybody may read a credential",
        "fail",
        "secrets",
        "…/credentials/AMI__SECRET holds a secret, and everybody may read it",
        "chmod 600 …/credentials/AMI__SECRET",
        arrange=open_credential,
    ),
    Fault(
        "everybody may read the AMI user's secret on the PBX",
        "warn",
        "secrets",
        "…/manager.d/siaga112.conf holds our AMI secret, and everybody may read it",
        "on the PBX: chgrp asterisk and chmod 640, of manager.d/siaga112.conf",
        arrange=open_user_file,
    ),
    Fault(
        "the daemon is of a version before",
        "warn",
        "configuration",
        "the daemon still runs with other values of: pbx.hidden",
        UNITS,
        arrange=older_program,
    ),
    Fault(
        "the metrics are another site's",
        "fail",
        "daemon",
        "what answers at {metrics} is not this site's daemon: no metrics of site other",
        "in [metrics] of {config}: host and port of the daemon; is site as it runs?",
        settings={"site": "other"},
    ),
    Fault(
        "a webhook's secret is for everybody to read",
        "fail",
        "secrets",
        "{config} holds a secret, and everybody may read it",
        "chown root:siaga112 {config}; chmod 640 {config}",
        arrange=told_hook,
    ),
    Fault(
        "the queue_log is another PBX's",
        "warn",
        "queue_log",
        "…/queue_log has not been written since the PBX began: another PBX writes it, or none does",
        "in [pbx] of {config}: queue_log as the PBX has it (on it: asterisk -rx 'logger show channels'; "
        "logger.conf [general]: queue_log = yes)",
        arrange=old_queue_log,
    ),
    Fault(
        "the disk is nearly full",
        "fail",
        "disk",
        "…/room has 4 MB left: with none, ended calls are lost",
        DISK,
        arrange=with_room("size=4m"),
    ),
    Fault(
        "the disk fills up",
        "warn",
        "disk",
        "…/room has … MB left: with none, ended calls are lost",
        DISK,
        arrange=with_room("size=500m"),
    ),
    Fault(
        "the disk has room, and may have no more files",
        "fail",
        "disk",
        "…/room may have 19 more files, however much room is left",
        FILES,
        arrange=with_room("size=2g,nr_inodes=20"),
    ),
    Fault(
        "the disk may soon have no more files",
        "warn",
        "disk",
        "…/room may have 499 more files, however much room is left",
        FILES,
        arrange=with_room("size=2g,nr_inodes=500"),
    ),
    Fault(
        "at this rate the disk is full within the month",
        "warn",
        "disk",
        "at last week's rate …/room is full in … days (1,000 calls, 153 MB a day)",
        f"{DISK}; or in [privacy] of {{config}}: keep_calls, shorter",
        arrange=filling,
    ),
    Fault(
        "how much room PostgreSQL has",
        "-",
        "disk",
        "not checked: how much room PostgreSQL has is known on its machine only",
        "there: df -h (SHOW data_directory says where)",
        arrange=with_postgresql(),
    ),
    Fault(
        "PostgreSQL takes no writes by its setting",
        "fail",
        "database",
        "postgresql://… takes no writes: default_transaction_read_only = on",
        "there: ALTER ROLE the-user RESET default_transaction_read_only (or in postgresql.conf)",
        arrange=with_postgresql("ALTER ROLE postgres SET default_transaction_read_only = on"),
    ),
    Fault(
        "the PostgreSQL user may only read",
        "fail",
        "database",
        "postgresql://…: the user may not do what siaga112 does: INSERT on …",
        "there, as the tables' owner: GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public "
        "TO the-user",
        arrange=with_postgresql(
            "CREATE ROLE reader LOGIN", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader", user="reader"
        ),
    ),
    Fault(
        "PostgreSQL is too old",
        "fail",
        "database",
        "PostgreSQL 12.22 is older than what siaga112 needs (SQLite 3.35, PostgreSQL 13)",
        "apt upgrade; a PostgreSQL is upgraded by pg_upgrade, after a backup (siaga112 backup FILE)",
        arrange=with_postgresql(AS_OLD, "ALTER ROLE postgres SET search_path = public, pg_catalog"),
    ),
    Fault(
        "Redis' memory is full",
        "fail",
        "Redis memory",
        "Redis' memory is full, … of 1 MB (maxmemory): no new block comes to it",
        MEMORY,
        arrange=with_postgresql(redis=("maxmemory", "1mb")),
    ),
    Fault(
        "Redis' memory is too little for the callers that there are",
        "fail",
        "Redis memory",
        "Redis has 5 MB (maxmemory), too little for 60,000 callers (about 6 MB)",
        MEMORY,
        arrange=with_postgresql(CALLERS.format(count=60_000), redis=("maxmemory", "5mb")),
    ),
    Fault(
        "at this rate Redis' memory is full within the month",
        "warn",
        "Redis memory",
        "at last week's rate Redis' memory is full in … days (… of 21 MB (maxmemory))",
        MEMORY,
        arrange=with_postgresql(STRIKES.format(at=LATELY, count=70_000), redis=("maxmemory", "20mb")),
    ),
    Fault(
        "people may use the console, and it does not run",
        "fail",
        "console",
        "people may use the console, and 127.0.0.1:… does not answer: connection refused",
        "systemctl start siaga112-console (journalctl -u siaga112-console says why it ended)",
        arrange=with_postgresql(PERSON),
    ),
    Fault(
        "another program has the console's port",
        "fail",
        "console",
        "127.0.0.1:… is taken: what answers there is not the console",
        "ss -ltnp 'sport = …' shows it; end it, or in [console] of {config}: port",
        arrange=another_console,
    ),
    Fault(
        "another user has the console's port",
        "fail",
        "console",
        "127.0.0.1:… belongs to a process of the user nobody, which receives people's passwords",
        "ss -ltnp 'sport = …' shows it; end it, or in [console] of {config}: port",
        arrange=strange_console,
    ),
    Fault(
        "the console is there for every machine, in clear",
        "warn",
        "console",
        "the console answers at 0.0.0.0:…, to other machines too: passwords are sent in clear",
        'in [console] of {config}: host = "127.0.0.1", with a proxy before it; or tls_cert and tls_key',
        arrange=open_console,
    ),
    Fault(
        "the console's certificate is not there",
        "fail",
        "certificate",
        "the console's certificate cannot be used: …/gone.pem: no such file or folder",
        "in [console] of {config}: tls_cert and tls_key, for siaga112 to read (chgrp siaga112, chmod 640)",
        arrange=uncertified,
    ),
    Fault(
        "the console's certificate is none",
        "fail",
        "certificate",
        "the console's certificate cannot be used: {config}, or {config}: not in PEM, or with a password",
        "in [console] of {config}: tls_cert and tls_key, for siaga112 to read (chgrp siaga112, chmod 640)",
        arrange=no_certificate,
    ),
    Fault(
        "the console's key is another's",
        "fail",
        "certificate",
        "the console's key does not belong to its certificate: …/other.key",
        "in [console] of {config}: tls_cert and tls_key of one pair",
        arrange=certified(key_of="other"),
    ),
    Fault(
        "everybody may read the console's key",
        "fail",
        "certificate",
        "everybody may read the console's key: …/localhost.key",
        "chown root:siaga112 …/localhost.key; chmod 640 …/localhost.key",
        arrange=certified(mode=0o644),
    ),
    Fault(
        "the console's certificate has expired",
        "fail",
        "certificate",
        "the console's certificate has expired: browsers refuse it",
        RENEW,
        arrange=certified(ago=100),
    ),
    Fault(
        "the console's certificate is not yet valid",
        "fail",
        "certificate",
        "the console's certificate is not yet valid: browsers refuse it",
        "is this machine's clock right (timedatectl)? if it is, wait, or have a new one signed",
        arrange=certified(ago=-2),
    ),
    Fault(
        "the console's certificate is for another name",
        "fail",
        "certificate",
        "the console's certificate is for another name than https://localhost…",
        "have one signed for that name; or in [console] of {config}: address, as people have it",
        arrange=certified("siaga.example"),
    ),
    Fault(
        "the console's certificate ends soon",
        "warn",
        "certificate",
        "the console's certificate ends in 8 days",
        RENEW,
        arrange=certified(ago=81),
    ),
    Fault(
        "the console's certificate was renewed, and the console not begun again",
        "warn",
        "certificate",
        "the console still shows another certificate than …/localhost.pem",
        RESTART,
        arrange=renewed,
    ),
    Fault(
        "the proxy's certificate has expired",
        "fail",
        "certificate",
        "the console's certificate has expired: browsers refuse it",
        RENEW,
        arrange=proxied(ago=100),
    ),
    Fault(
        "the proxy's certificate is for another name",
        "fail",
        "certificate",
        "the console's certificate is for another name than https://localhost…",
        "have one signed for that name; or in [console] of {config}: address, as people have it",
        arrange=proxied(name="siaga.example"),
    ),
    Fault(
        "the proxy is not to be reached from here",
        "-",
        "certificate",
        "not checked: the certificate at localhost:… cannot be seen from here",
        "where it can: openssl s_client -connect localhost:… </dev/null | openssl x509 -noout -dates",
        arrange=no_proxy,
    ),
)
"""Each fault is made alone, on a bench that is otherwise in order."""

CLOCK_KEPT_BY_NOBODY: Final = Fault(
    "nothing keeps this machine's clock right",
    "warn",
    "clock set",
    "nothing keeps this machine's clock right: it will drift, and blocks with it",
    "apt install chrony (or systemctl enable --now systemd-timesyncd)",
)
"""Made in tests/security/test_units.py, on a machine with a systemd of its own."""
