"""Scenarios whose outcome siaga112 gets wrong today, each with what is missing.

Their captures expect the right outcome; a test of one fails as soon as it passes, so that it is taken off.
"""

from typing import Final

_EXECIF: Final = "FreePBX's IVR speaks by ExecIf(1?Background(…)), whose event names ExecIf"
_BLACKHOLE: Final = "FreePBX ends calls in app-blackhole, outside the menu's context"

DEFECTS: Final[dict[str, str]] = {
    "freepbx_left_in_prompt": _EXECIF,
    "freepbx_wrong_keys": _BLACKHOLE,
    "freepbx_silence": _BLACKHOLE,
}
