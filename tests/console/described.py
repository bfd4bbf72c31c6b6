"""Attack the API from its own description, with schemathesis.

    python -m tests.console.described [EXAMPLES]      (`make fuzz-api`: 330 an operation, some 20,000 cases)

It uses the tokens of a supervisor and of a privacy officer, on a small centre of its own. All checks run but
`positive_data_acceptance`, which reports a fault when `/callers/0` is refused: no schema can describe a
caller's number. `/events` never ends; tests/console/test_api.py tests it.
"""

import asyncio
import re
import sys
import tempfile
from pathlib import Path
from typing import Final

from siaga112.core.access import Role
from tests.console.centre import Centre, running
from tests.lab.redis_servers import plain
from tests.waiting import output

PROGRAM: Final = Path(sys.executable).with_name("schemathesis")
ROLES: Final = (Role.SUPERVISOR, Role.PRIVACY)
EXAMPLES: Final = 330
_CASES: Final = re.compile(r"(\d+) generated, (\d+) passed")


async def attack(centre: Centre, role: Role, examples: int, seconds: float) -> tuple[int, str]:
    """Run schemathesis; return the number of cases, all passed, and what it printed.

    Raises:
        AssertionError: with what it printed, if a case failed.

    """
    token = await centre.give_token(role)
    with tempfile.TemporaryDirectory(prefix="s112-schema-") as folder:
        process = await asyncio.create_subprocess_exec(
            *(PROGRAM, "run", f"{centre.url}/api/v1/openapi.json", "-H", f"Authorization: Bearer {token}"),
            *("--max-examples", str(examples), "--exclude-path", "/api/v1/events", "--no-color"),
            *("--exclude-checks", "positive_data_acceptance", "--generation-database", "none"),
            cwd=folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await output(process, "schemathesis", seconds)
    said = out.decode(errors="replace")
    cases = _CASES.search(said)
    assert process.returncode == 0, said[-6_000:]
    assert cases, said[-6_000:]
    assert cases[1] == cases[2], said[-6_000:]
    return int(cases[1]), said


async def main(examples: int) -> None:
    """Attack with each role's token and print the number of cases."""
    with plain() as redis, tempfile.TemporaryDirectory(prefix="s112-") as folder:
        async with running(Path(folder), redis) as centre:
            for role in ROLES:
                cases, _ = await attack(centre, role, examples, 1_800)
                print(f"{role}: {cases:,} cases, no server error, no answer but as described")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else EXAMPLES))
