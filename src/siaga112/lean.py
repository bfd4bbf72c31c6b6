"""Load structlog and redis-py without rich, greenlet and OpenTelemetry, which they load where installed.

The daemon uses nothing that they would do with them, and holds 5 MB less. It imports this module before all
others that import structlog; whatever needs one of the three can still load it afterwards.
"""

import sys

_UNUSED = {"rich", "greenlet", "opentelemetry"} - sys.modules.keys()

for _name in _UNUSED:
    sys.modules[_name] = None  # type: ignore[assignment] # Python's way of saying that there is none
try:
    import redis.asyncio  # noqa: F401 - loading it is all
    import structlog  # noqa: F401 - as above
finally:
    for _name in _UNUSED:
        del sys.modules[_name]
