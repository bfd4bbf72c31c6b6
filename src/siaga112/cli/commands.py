"""The commands: the group under which `--help` lists each, its module, and what it does in one line.

A command's module is imported only when that command is used or its own help is asked for, so that what one
command needs (Redis, Parquet) costs the others nothing. A test keeps the lines equal to the docstrings.
"""

from keyword import iskeyword
from typing import Final, NamedTuple


class Command(NamedTuple):
    """A command: the function of that name in a module of `siaga112.cli`."""

    name: str
    module: str
    summary: str

    @property
    def function(self) -> str:
        """The name of the function."""
        return f"{self.name}_" if iskeyword(self.name) else self.name.replace("-", "_")


GROUPS: Final[dict[str, tuple[Command, ...]]] = {
    "The line": (
        Command("run", "run", "Run the daemon: follow the PBX (track), answer the dialplan (screen), and serve the console."),
        Command("top", "top", "Show the line live: calls in progress, queue, operators, today, last verdicts, health; q quits."),
        Command("mode", "mode", "Show or switch the mode of the whole site at once: the kill switch."),
    ),
    "The lists": (
        Command("blocks", "blocklist", "List the callers who are blocked now, or whose block is proposed."),
        Command("block", "blocklist", "Block one or more callers; this settles a block that is proposed."),
        Command("unblock", "blocklist", "Lift all blocks on a caller, dismiss a proposed one, and forgive the strikes so far."),
        Command("confirm", "blocklist", "Impose the block that is proposed for a caller."),
        Command("dismiss", "blocklist", "Dismiss the block that is proposed for a caller, and forgive the strikes so far."),
        Command("allowed", "blocklist", "List the callers who are never blocked."),
        Command("allow", "blocklist", "Put a caller on the allow list, which outranks everything; a proposed block is dismissed."),
        Command("disallow", "blocklist", "Take a caller off the allow list; a block that it outranked is in force again."),
        Command("import", "moving", "Import another system's block list or allow list; without --apply only show what would be done."),
        Command("appeal", "objections", "Record a caller's objection to a block or a strike: a case with a deadline, until somebody decides."),
        Command("appeals", "objections", "List the objections that wait for a decision, the most urgent first; or reject one."),
    ),
    "Calls and callers": (
        Command("calls", "ledger", "List the ledger: each call with its one outcome, oldest first."),
        Command("why", "callers", "Show a caller's verdict now, and what it rests on: strikes with their calls, blocks, who lifted what."),
        Command("mark", "ledger", "Set the operator's mark of a call afterwards; a correction withdraws the strike and its blocks."),
        Command("void", "ledger", "Withdraw one strike, with the block that rests on it; a late duplicate does not bring it back."),
        Command("callbacks", "callers", "List the callers nobody has spoken with yet: first those we failed, then those who left or were silent."),
        Command("audit", "ledger", "List what people did: who, when, what and why."),
        Command("subject", "callers", "Print everything stored on a caller, as JSON; the audit trail notes the request."),
        Command("forget", "callers", "Erase everything stored on a caller; who decided what is kept, without the number."),
        Command("hold", "privacy", "Keep a caller's records as evidence of an open case: neither age nor `forget` removes them."),
        Command("holds", "privacy", "List the callers whose records are kept as evidence, the oldest hold first, with the case."),
        Command("privacy", "privacy", "Show what is stored, by kind: how many, how old, until when, by which setting, and with numbers or not."),
    ),
    "Figures": (
        Command("report", "report", "Print a period's figures: outcomes, service level, waits, misuse, blocks, and the period before."),
        Command("export", "export", "Write the ledger's rows: one call per row, oldest first."),
    ),
    "Past calls": (
        Command("backtest", "backtest", "Show what a policy would have done to past calls."),
        Command("record", "captures", "Capture the PBX's AMI stream, as siaga112 reads it."),
        Command("replay", "captures", "Run captures through the real pipeline, offline; the same capture always gives the same result."),
    ),
    "The records": (
        Command("backup", "upkeep", "Write everything stored of the site into one file, as of one moment, while the daemon runs."),
        Command("restore", "upkeep", "Bring back everything in a backup, or nothing; the block list in Redis is rebuilt from it."),
        Command("migrate", "upkeep", "Bring the database's tables to this program's version, or create them."),
        Command("rebuild", "upkeep", "Rebuild the block list in Redis from the database: every standing, and nothing else."),
    ),
    "People and programs": (
        Command("user", "people", "Manage who may use the console: list, add, role, password, disable, enable."),
        Command("token", "people", "Manage which programs may use the API: list, add, revoke."),
        Command("webhooks", "people", "List the configured webhooks: how far each has been sent, what holds it up, what is parked."),
    ),
    "The installation": (
        Command("setup", "setup", "Find the PBX, and set up a running line beside it: shows each change, makes it, takes it back."),
        Command("doctor", "doctor", "Check the installation against the live PBX, Redis and the database; each line has its remedy."),
        Command("check-config", "configuration", "Load and cross-check the configuration; print it with secrets masked."),
        Command("files", "files", "List the files that come with siaga112, or copy them to where they belong."),
        Command("acl", "files", "Print redis-acl.conf for this site: a Redis user that can access this site's keys alone."),
    ),
}  # fmt: skip
COMMANDS: Final = {command.name: command for group in GROUPS.values() for command in group}
