"""The commands: where `--help` lists each, which module has it, and what it does in one line.

A command's module is imported when the command is used or its own help is asked for, and no other's: what
one needs (Redis, tables, Parquet) costs the others nothing. A test holds the lines to the docstrings.
"""

from keyword import iskeyword
from typing import Final, NamedTuple


class Command(NamedTuple):
    """One command: the function of its name in a module of `siaga112.cli`."""

    name: str
    module: str
    summary: str

    @property
    def function(self) -> str:
        """The name of the function."""
        return f"{self.name}_" if iskeyword(self.name) else self.name.replace("-", "_")


GROUPS: Final[dict[str, tuple[Command, ...]]] = {
    "The line": (
        Command("run", "run", "Run the daemon: follow the PBX (track), answer the dialplan (screen), and the console for people."),
        Command("top", "top", "Show the line live: calls in progress, queue, operators, today, last verdicts, health; q quits."),
        Command("mode", "mode", "Show or switch the enforcement of the whole site, at once: the kill switch."),
    ),
    "Who is blocked, and who never is": (
        Command("blocks", "blocklist", "List the callers that are blocked now, or whose block is proposed."),
        Command("block", "blocklist", "Block callers; what is proposed for one is settled by it."),
        Command("unblock", "blocklist", "Lift all blocks on a caller, and dismiss what is proposed; strikes so far are forgiven."),
        Command("confirm", "blocklist", "Impose the block that is proposed for a caller."),
        Command("dismiss", "blocklist", "Say no to the block that is proposed for a caller; strikes so far are forgiven."),
        Command("allowed", "blocklist", "List the callers who are never blocked."),
        Command("allow", "blocklist", "Put a caller on the allow list, which comes before everything; what is proposed is dismissed."),
        Command("disallow", "blocklist", "Take a caller off the allow list; a block that gave way to it holds again."),
        Command("import", "moving", "Bring in another system's list of who is blocked, or never is; without --apply only say what would be."),
        Command("appeal", "objections", "Note that a caller objects to a block or a strike: a case with a deadline, until somebody decides it."),
        Command("appeals", "objections", "List the objections that wait for a decision, the most pressing first; or reject one."),
    ),
    "Calls and callers": (
        Command("calls", "ledger", "List the ledger: each call with its one outcome."),
        Command("why", "callers", "Tell a caller's story: strikes with their calls, blocks, who lifted what, the verdict now."),
        Command("mark", "ledger", "Set the operator's mark afterwards. A correction takes the strike and its blocks back."),
        Command("void", "ledger", "Take one strike back, with the block that rested on it; a late duplicate does not bring it back."),
        Command("callbacks", "callers", "List the callers whom nobody has spoken with yet: whom we failed first, then who left or was silent."),
        Command("audit", "ledger", "List what people did: who, when, what and why."),
        Command("subject", "callers", "Print all that is held on a caller, as JSON; that somebody looked goes into the audit trail."),
        Command("forget", "callers", "Erase all that is held on a caller: strikes, blocks, lists; who decided what stays, without the number."),
        Command("hold", "privacy", "Keep what is held on a caller as evidence of an open case: neither age nor `forget` takes it away."),
        Command("holds", "privacy", "List the callers that are kept as evidence, the oldest hold first: since when, by whom, of which case."),
        Command("privacy", "privacy", "Say what is held, by kind: how many, how old, until when and by which setting, with numbers or hashed."),
    ),
    "Figures": (
        Command("report", "report", "Give a period's figures: outcomes, service level, waits, misuse, blocks, and the period before."),
        Command("export", "export", "Write the ledger's rows: one call a row, oldest first."),
    ),
    "The past, tried again": (
        Command("backtest", "backtest", "Say what a policy would have done to past calls."),
        Command("record", "captures", "Capture the PBX's AMI stream: what siaga112 itself reads of it."),
        Command("replay", "captures", "Run captures through the real pipeline, offline; a capture always gives the same."),
    ),
    "The records": (
        Command("backup", "upkeep", "Write all that is held of the site into one file, as of one moment, while the daemon goes on."),
        Command("restore", "upkeep", "Bring back all that a backup has, or nothing; the block list in Redis is made anew of it."),
        Command("migrate", "upkeep", "Bring the database's tables to this program's version, and make them where there are none."),
        Command("rebuild", "upkeep", "Make the block list in Redis anew from the database: each standing, and none besides."),
    ),
    "People and programs": (
        Command("user", "people", "Say who may use the console: list, add, role, password, disable, enable."),
        Command("token", "people", "Say which programs may use the API: list, add, revoke."),
        Command("webhooks", "people", "List the webhooks of the configuration: how far each is told, what keeps it, what is parked."),
    ),
    "The installation": (
        Command("setup", "setup", "Find the PBX, and lead to a running line beside it: shows each change, makes it, takes it back."),
        Command("doctor", "doctor", "Check the installation against the live PBX, Redis and the database; each line with its remedy."),
        Command("check-config", "configuration", "Load and cross-check the configuration; print it with secrets masked."),
        Command("files", "files", "List the files that come with siaga112, or copy them to where they belong."),
        Command("acl", "files", "Print redis-acl.conf for this site: a Redis user with this site's keys alone."),
    ),
}  # fmt: skip
COMMANDS: Final = {command.name: command for group in GROUPS.values() for command in group}
