"""The question that Asterisk's `AGI()` asks, without an Asterisk."""

import asyncio
from typing import Final

REQUEST: Final = """\
agi_network: yes
agi_network_script: screen
agi_request: agi://127.0.0.1/screen
agi_channel: PJSIP/trunk-00000000
agi_language: id
agi_type: PJSIP
agi_uniqueid: {uid}
agi_version: 22.10.1
agi_callerid: {number}
agi_calleridname: unknown
agi_callingpres: 0
agi_callingani2: 0
agi_callington: 0
agi_callingtns: 0
agi_dnid: 112
agi_rdnis: unknown
agi_context: siaga112-screen
agi_extension: s
agi_priority: 12
agi_enhanced: 0.0
agi_accountcode:\x20
agi_threadid: 139767594194624
agi_arg_1: {number}

"""


async def ask(port: int, uid: str, number: str) -> dict[str, str]:
    """Ask about a caller as the dialplan does; give the variables that were set, none if it just closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    variables: dict[str, str] = {}
    try:
        writer.write(REQUEST.format(uid=uid, number=number).encode())
        while line := await reader.readline():
            _, _, name, value = line.decode().rstrip("\n").split(" ", 3)
            variables[name] = value.strip('"')
            writer.write(b"200 result=1\n")
    except ConnectionError:
        pass
    finally:
        writer.close()
    return variables
