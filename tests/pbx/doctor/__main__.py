"""Print docs/doctor.md: every fault that the tests make, with the doctor's line for it."""

from typing import Final

from tests.pbx.doctor.faults import EVERY

_DOCUMENTED: Final = {
    "ami": "127.0.0.1:5038",
    "agi": "127.0.0.1:4573",
    "agi_port": "4573",
    "metrics": "http://127.0.0.1:9112/metrics",
    "config": "/etc/siaga112/siaga112.toml",
    "state": "/var/lib/siaga112",
    "sounds": "/usr/share/asterisk/sounds",
    "redis": "redis://siaga112:***@127.0.0.1:6379",
}

_HEAD: Final = """\
# What the doctor notices

**{faults} real faults, made {made} times (some on both versions of Asterisk); the tests fail if the doctor
calls one of them ok.**

`siaga112 doctor` checks the live PBX (only over AMI, with the rights of the user that we ship), Redis,
the daemon and the files of this machine. It changes nothing and takes under 10 s. Each fault below was made
on a real Asterisk 22 (and on 16 where it is named), and the line is the one that appeared; `…` stands for
what varies. `make docs` generates this page from the list that the tests go through
(`tests/pbx/test_doctor.py::test_a_fault_has_its_line`).

`warn`: it works, but not as well or as safely as it should. `fail`: siaga112 cannot do its work, or a
guarantee does not hold. `-`: not visible from here.

The doctor sees the loaded dialplan, trunks and queue members, the AMI user's write class and, on the PBX's
own machine, the AMI's address. For the rest of manager.conf, features.conf and queues.conf Asterisk shows
an AMI user only the files, not what is loaded. So the doctor checks the files, and *PBX files* says if one
was edited after the last reload. `asterisk -rx 'core reload'` loads them all.

FreePBX writes Asterisk's files itself; there the remedy names a file that it does not overwrite.

| fault | Asterisk | line | what to do |
|---|---|---|---|
"""


def page() -> str:
    """Return the page."""
    rows = []
    for fault in EVERY:
        found, remedy = (
            text.format_map(_DOCUMENTED).replace("|", "\\|").replace("](", "]\\(")
            for text in (fault.found, fault.remedy)
        )
        where = ", ".join(fault.versions)
        rows.append(f"| {fault.what} | {where} | `{fault.health}` {fault.check}: {found} | {remedy} |\n")
    made = sum(len(fault.versions) for fault in EVERY)
    return _HEAD.replace("{faults}", str(len(EVERY))).replace("{made}", str(made)) + "".join(rows)


if __name__ == "__main__":
    print(page(), end="")
