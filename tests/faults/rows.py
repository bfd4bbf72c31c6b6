"""The faults and what is promised for each. A test names its row by the key."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Row:
    """A fault and its promise. `pbx`: it must be tried on both versions of Asterisk."""

    fault: str
    promised: str
    pbx: bool = False


ROWS: Final[dict[str, dict[str, Row]]] = {
    "FastAGI and the dialplan": {
        "agi_stopped": Row("daemon stopped", "proceeds in < 50 ms", pbx=True),
        "agi_frozen": Row("daemon frozen (SIGSTOP)", "proceeds in ≤ 2.1 s", pbx=True),
        "agi_silent": Row("server silent after accept", "proceeds in ≤ 2.1 s", pbx=True),
        "agi_zombie": Row("hang-up while the server is silent", "no channel left 5 s later", pbx=True),
        "agi_timeout": Row("TIMEOUT(absolute) set around the screening", "keeps its value", pbx=True),
        "agi_closes": Row("accept and close", "proceeds, not BLOCK", pbx=True),
        "agi_resets": Row("connection reset", "proceeds, not BLOCK", pbx=True),
        "agi_dies_early": Row("crash after the headers", "proceeds, not BLOCK", pbx=True),
        "agi_dies_late": Row("crash after the first SET VARIABLE", "proceeds, not BLOCK", pbx=True),
        "agi_connects": Row("connect and close × 10,000", "lag < 50 ms, memory + < 1 MB, p99 < 50 ms"),
        "agi_idle": Row("256 idle connections", "as above, closed within 1 s"),
        "agi_slow": Row("one byte per 300 ms", "as above, closed within 1 s"),
        "agi_unended": Row("no blank line", "as above, closed within 1 s"),
        "agi_16k": Row("16 KiB + 1 of headers", "as above, closed within 1 s"),
        "agi_10mb": Row("10 MB of headers", "as above, closed within 1 s"),
        "agi_odd": Row(
            "headers duplicate, missing, not UTF-8, with NUL, with ESC", "as above, closed within 1 s"
        ),
        "agi_hang_up": Row(
            "hang-up before, during and after the reply", "nothing left, nobody else feels it"
        ),
        "agi_replies": Row("replies 510, 511, 520", "closed at once"),
        "agi_path": Row("unknown path", "ALLOW"),
        "agi_100": Row("100 at once", "0 lost"),
        "agi_500": Row("500/s × 10 s", "0 lost"),
        "unit_socket": Row(
            "daemon restarted, killed, stopped under a real systemd", "no call refused, the port never free"
        ),
        "unit_systemd": Row(
            "standing still, reloaded and started with a bad configuration, under a real systemd",
            "started again; active in the same process; the port kept",
        ),
        "agi_sigterm": Row("SIGTERM with 50 in flight", "all ALLOW within 1 s, exit < 5 s"),
    },
    "AMI": {
        "ami_secret": Row("wrong secret", "back-off 2 → 60 s, one clear message, no exit", pbx=True),
        "ami_rights": Row("a missing permission class", "each named by `doctor`", pbx=True),
        "ami_restart": Row(
            "Asterisk restarted with 20 calls up", "0 strikes, following again ≤ 10 s", pbx=True
        ),
        "ami_impostor": Row("somebody else holds the PBX's port", "the secret is never sent"),
        "ami_reach": Row(
            "Getvar of our AMI user, func_config, func_sorcery and func_realtime left out",
            "reads no secret of others",
            pbx=True,
        ),
        "ami_tls": Row("AMI over TLS; certificates that do not fit", "followed; not spoken to", pbx=True),
        "ami_silent": Row("peer silent (SIGSTOP)", "noticed ≤ 10 s", pbx=True),
        "ami_paused": Row("reader paused 5 s under 6,000 events", "gap counted, 0 wrong strikes", pbx=True),
        "ami_cut": Row("stream cut at every byte of a recorded call", "one outcome per call, no strike"),
        "ami_utf8": Row("UTF-8 split everywhere", "the same messages"),
        "ami_torn": Row("torn, duplicate, out-of-order messages", "one outcome per call, no new prank"),
        "ami_no_start": Row("`Hangup` without a start", "nothing"),
        "ami_leave": Row("`QueueCallerLeave` alone", "nothing"),
        "ami_hangups": Row("two or three `Hangup`s for one call", "one outcome"),
        "ami_reused": Row("uniqueid re-used", "one outcome for each call"),
        "ami_headers": Row("127, 128, 129 headers", "read, or counted as malformed"),
        "ami_lines": Row("lines of 1,023, 1,024, 1,025 bytes", "read, or counted as malformed"),
        "ami_repeated": Row("`<unknown>`, empty and repeated headers", "no strike, repeated ones counted"),
        "ami_flood": Row("100,000 unknown events", "nothing raised, no growth"),
    },
    "Hostile text": {
        "hostile": Row(
            "caller text that carries control characters, through real calls",
            "0 strikes for another, 0 broken log lines, counted, allowed",
            pbx=True,
        ),
        "odd_name": Row(
            "a blocked caller with odd characters in the display name", "stays blocked", pbx=True
        ),
    },
    "Forged calls": {
        "forged_at_once": Row("six calls with one number at once", "0 strikes, 0 blocks", pbx=True),
    },
    "Redis": {
        "redis_at_start": Row("down at start", "verdict ≤ 300 ms, 0 lost, back ≤ 5 s"),
        "redis_killed": Row("killed mid-call", "as above"),
        "redis_paused": Row("paused 6 s", "as above"),
        "redis_client": Row("client killed", "as above"),
        "redis_scripts": Row("scripts flushed", "as above"),
        "redis_loading": Row("loading", "as above"),
        "redis_memory": Row("out of memory", "as above"),
        "redis_readonly": Row("read-only", "as above"),
        "redis_type": Row("wrong type", "as above; nobody else waits"),
        "redis_rights": Row("permission removed", "as above"),
        "redis_replica": Row(
            "known blocks while Redis is away", "hold for stale_after, then ALLOW; a gap is read anew ≤ 1 s"
        ),
        "redis_failover": Row("fail-over (Sentinel)", "as above"),
        "redis_slot": Row("slot move (Cluster)", "as above"),
        "kill": Row(
            "kill -9 at every step between hang-up and stored strike, 1,000 calls",
            "0 lost, 0 twice, no block missing or risen",
        ),
        "kill_redis": Row(
            "the same of Redis, which comes back as it was, with nothing, or with an old copy", "as above"
        ),
        "kill_database": Row("the same of PostgreSQL", "as above"),
        "two_daemons": Row("two daemons on one PBX", "one strike per call", pbx=True),
        "takeover": Row("one of two daemons killed", "the other goes on ≤ 10 s", pbx=True),
        "stuck_dialler": Row(
            "a stuck dialler: 20 calls/s by one number, after an hour of it",
            "nobody else's p99 × 1.2, its record no larger",
        ),
        "million": Row("1,000,000 blocked numbers", "p99 of a verdict < 5 ms"),
        "emptied": Row(
            "FLUSHALL under 100 verdicts a second, 1,000,000 blocked numbers",
            "known blocks hold for stale_after; all back ≤ 60 s (goal 15), counted, an alert",
        ),
        "writers": Row(
            "a hundred writers on one PostgreSQL tell the same calls", "one row, one strike, one block"
        ),
        "sites_database": Row(
            "two sites on one PostgreSQL, with the same callers and calls",
            "neither sees anything of the other",
        ),
        "database_away": Row(
            "the database locked, out of room, read-only, while calls end",
            "verdicts go on, calls wait and arrive once, commands say so in one line",
        ),
        "sites": Row("several sites in one Redis", "nothing shared"),
        "everywhere": Row("mode and block list, several daemons", "everywhere ≤ 1 s"),
        "split": Row(
            "the tracking half stopped (SIGSTOP), the screening half beside it", "no verdict slower"
        ),
    },
    "Rows that cannot be recorded": {
        "odd_rows": Row(
            "impossible entries in the outbox, queue_log, AMI and Redis, at the start and while it runs",
            "starts, screens, records the rest; each aside and counted",
        ),
        "odd_outbox": Row("outbox.db that is no database, or another's", "starts, screens; the file kept"),
        "flipped": Row(
            "a flipped byte in the embedded Redis' files", "starts, screens; set aside, said, counted"
        ),
        "odd_redis": Row("a database that the user may not SELECT; a Redis that is none", "starts, ALLOW"),
        "odd_span": Row(
            "a block for longer than a century, and records that cannot be read",
            "refused; every listing shows the rest and names them",
        ),
        "odd_junk": Row("random junk in every place at once", "starts, screens"),
    },
    "Clocks": {
        "clock_pbx": Row(
            "the PBX's clock ten years ahead, ten behind, an hour off, in 1970",
            "0 strikes, 0 blocks; each event counted, each call in the ledger of the day",
            pbx=True,
        ),
        "clock_step": Row(
            "our own clock, and the PBX's, an hour forth and back during a call",
            "0 strikes from it; strikes again with the next",
        ),
        "clock_behind": Row(
            "our own clock a week behind, while it runs and at a start",
            "0 BLOCK for blocks that had ended",
        ),
        "clock_ahead": Row(
            "our own clock ten years ahead when somebody is blocked", "right again: ALLOW, not listed"
        ),
    },
    "Policy": {
        "policy_edge": Row("window edge ± 1 ms", "counts until, not from"),
        "policy_expiry": Row("expiry race", "the block ends on the millisecond"),
        "policy_unblock": Row("unblock during a call", "free with the next call, no new block"),
        "policy_allowed": Row("allow-listed × 1,000", "0 strikes, 0 blocks"),
        "policy_hidden": Row("hidden × 1,000", "0 strikes, 0 blocks"),
        "policy_spellings": Row("three spellings of one number", "one caller"),
        "policy_genuine": Row("genuine call after 2 strikes", "no third strike, no automatic block"),
        "policy_corrected": Row("mark corrected after 5 minutes", "strike and block taken back"),
        "policy_switch": Row(
            "kill switch with calls in flight", "ALLOW < 1 s, none cut off, no strike", pbx=True
        ),
        "mode_start": Row(
            "a start, the mode being off; Redis late", "0 BLOCK (`starting` until it is known)"
        ),
        "mode_hanging": Row(
            "off by command, by file, by SIGHUP while Redis hangs", "ALLOW ≤ 1 s, 0 BLOCK after it", pbx=True
        ),
        "mode_lost": Row(
            "FLUSHALL, or a fail-over to an empty replica, after off", "0 BLOCK; Redis is told again"
        ),
        "policy_observe": Row("observe mode", "never rejects"),
        "policy_cap": Row("hourly cap reached", "no further automatic block, an alert"),
    },
    "The console": {
        "console_killed": Row(
            "console killed (SIGKILL), people at its pages", "no verdict slower; logged in still ≤ 15 s"
        ),
        "console_frozen": Row(
            "console frozen (SIGSTOP)", "no verdict slower; every call recorded; ends with the daemon ≤ 5 s"
        ),
    },
    "Operation": {
        "config": Row("bad configuration or missing secret", "exit 3, one line"),
        "sighup": Row("SIGHUP with a bad file", "keeps the old one"),
        "disk_full": Row("disk full", "verdicts go on, ended calls wait"),
        "read_only": Row("read-only file system", "verdicts go on, ended calls wait"),
        "descriptors": Row("out of file descriptors", "verdicts go on"),
        "scrapes": Row("100 scrapes/s", "no effect on verdicts"),
        "slow_scraper": Row("slow scrapers", "no effect on verdicts"),
        "half_sent": Row(
            "1,000 half-sent requests to `/metrics`, 1,024 descriptors",
            "each call screened, dropped after 5 s",
        ),
        "junk_lines": Row(
            "5,000 connections of junk to each port", "at most a line a second of each kind, all JSON"
        ),
        "series": Row("100,000 callers", "series constant"),
        "alerts": Row("every alert", "fires and clears"),
        "soak": Row("soak: 10 calls/s", "memory + < 1 MB after warm-up, descriptors flat"),
    },
    "Secrets and network": {
        "loopback": Row("FastAGI, metrics and lab services", "loopback by default"),
        "ami_user": Row("AMI user", "least privilege", pbx=True),
        "redis_user": Row("Redis ACL user and TLS", "tried"),
        "redis_sites": Row("several centres in one Redis", "no key of another site is read or written"),
        "forgotten": Row("a caller who is forgotten", "the number is in no file of the state directory"),
        "secrets": Row("secrets", "never in logs or `check-config`"),
        "unit": Row("systemd unit", "score ≤ 1.5, Type=notify, watchdog fed by the loop"),
    },
}

KEYS: Final = frozenset(key for rows in ROWS.values() for key in rows)
