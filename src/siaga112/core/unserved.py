"""Why nobody answered a call, by the PBX's own status words.

A `GAVE_UP` fact carries such a word, whether it came from an AMI variable, queue_log or a CEL row.
"""

from collections.abc import Mapping
from typing import Final

from siaga112.core.model import Reason

QUEUE_STATUS: Final[Mapping[str, Reason]] = {
    "TIMEOUT": Reason.QUEUE_TIMEOUT,
    "FULL": Reason.QUEUE_FULL,
    "JOINEMPTY": Reason.QUEUE_EMPTY,
    "LEAVEEMPTY": Reason.QUEUE_EMPTY,
    "JOINUNAVAIL": Reason.QUEUE_UNAVAILABLE,
    "LEAVEUNAVAIL": Reason.QUEUE_UNAVAILABLE,
    "WITHDRAW": Reason.QUEUE_WITHDRAWN,
}
"""Values of QUEUESTATUS that mean that no operator served the caller (app_queue.c)."""

DIAL_STATUS: Final[Mapping[str, Reason]] = {
    "NOANSWER": Reason.NO_ANSWER,
    "BUSY": Reason.OPERATORS_BUSY,
    "CHANUNAVAIL": Reason.CONGESTION,
    "CONGESTION": Reason.CONGESTION,
}
"""Values of DIALSTATUS that mean the same (app_dial.c)."""

QUEUE_LOG: Final[Mapping[str, str]] = {
    "EXITWITHTIMEOUT": "TIMEOUT",
    "EXITEMPTY": "LEAVEEMPTY",
    **{status: status for status in QUEUE_STATUS if status not in {"TIMEOUT", "LEAVEEMPTY"}},
}
"""Events of queue_log, each with the QUEUESTATUS that stands for the same end (app_queue.c)."""

BY_VARIABLE: Final = {"QUEUESTATUS": QUEUE_STATUS, "DIALSTATUS": DIAL_STATUS}

REASONS: Final[Mapping[str, Reason]] = {**QUEUE_STATUS, **DIAL_STATUS}
