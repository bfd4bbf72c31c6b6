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

`siaga112 doctor` looks at the live PBX (over AMI alone, with the rights of the user that we ship), at Redis,
at the daemon and at this machine's files. It changes nothing and takes under 10 s. Each fault below was made
on a real Asterisk 22 (where 16 is named, there too), and the line is the one that appeared; `…` is what
varies. This page is made by `make docs` from the same list that the tests go through.

`warn`: it works, but not as well or as safely as it should. `fail`: siaga112 cannot do its work, or a
guarantee does not hold. `-`: could not be seen from here.

The dialplan and the queues are seen as they are loaded, manager.conf and features.conf as they are on the
PBX's disk: after an edit, reload (`asterisk -rx 'manager reload'`, `asterisk -rx 'module reload features'`).

| fault | Asterisk | line | what to do |
|---|---|---|---|
"""


def page() -> str:
    """Give the page."""
    rows = []
    for fault in EVERY:
        found, remedy = (
            text.format_map(_DOCUMENTED).replace("|", "\\|") for text in (fault.found, fault.remedy)
        )
        where = ", ".join(fault.versions)
        rows.append(f"| {fault.what} | {where} | `{fault.health}` {fault.check}: {found} | {remedy} |\n")
    return _HEAD + "".join(rows)


if __name__ == "__main__":
    print(page(), end="")
