"""Write docs/doctor.md: every fault that the tests make, and the doctor's line for it."""

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

**{faults} faults, made for real {made} times (some on both versions of Asterisk); the tests fail where one of
them is called ok.**

`siaga112 doctor` looks at the live PBX (over AMI alone, with the rights of the user that we ship), at Redis,
at the daemon and at this machine's files. It changes nothing and takes under 10 s. Each fault below was made
on a real Asterisk 22 (where 16 is named, there too), and the line is the one that appeared; `…` is what
varies. This page is made by `make docs` from the same list that the tests go through
(`tests/pbx/test_doctor.py::test_a_fault_has_its_line`).

`warn`: it works, but not as well or as safely as it should. `fail`: siaga112 cannot do its work, or a
guarantee does not hold. `-`: could not be seen from here.

The dialplan, the trunks and the queues' members are seen as they are loaded, and so are the AMI user's write
class and, from the PBX's own machine, the AMI's address. Of what else stands in manager.conf, features.conf
and queues.conf Asterisk shows no AMI user what is in force: it is judged as it stands there, and *PBX files*
says when it was edited after the last reload. `asterisk -rx 'core reload'` has all of it read.

On FreePBX, which writes Asterisk's files itself, what to do names the file that it leaves alone.

| fault | Asterisk | line | what to do |
|---|---|---|---|
"""


def page() -> str:
    """Give the page."""
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
