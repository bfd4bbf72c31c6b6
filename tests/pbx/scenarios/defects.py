"""Scenarios whose outcome siaga112 gets wrong today, each with what is missing.

Their captures expect the right outcome; a test of one fails as soon as it passes, so that it is taken off.
"""

from typing import Final

_CONNECTED_AFTER_HANGUP: Final = "the PBX bridges for a moment a caller who had hung up before: no answer"
_LEG_WITH_EXTENSION: Final = "a channel that the PBX makes towards the trunk begins in extension s"
_CONFERENCE: Final = "a ConfBridge() is a bridge of type base; its announcer (CBAnn/…) is no person"
_EXECIF: Final = "FreePBX's IVR speaks by ExecIf(1?Background(…)), whose event names ExecIf"
_BLACKHOLE: Final = "FreePBX ends calls in app-blackhole, outside the menu's context"

DEFECTS: Final[dict[str, str]] = {
    "queue_left_before_connect": _CONNECTED_AFTER_HANGUP,
    "dial_left_before_connect": _CONNECTED_AFTER_HANGUP,
    "conference": _CONFERENCE,
    "call_back": _LEG_WITH_EXTENSION,
    "call_back_in_vain": _LEG_WITH_EXTENSION,
    "call_back_by_click": _LEG_WITH_EXTENSION,
    "freepbx_left_in_prompt": _EXECIF,
    "freepbx_wrong_keys": _BLACKHOLE,
    "freepbx_silence": _BLACKHOLE,
}
