"""Where each line belongs on a PBX: FreePBX generates Asterisk's files, except for a few."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Places:
    """Files and sections, as remedies name them."""

    manager: str
    """General AMI settings."""
    keys: str
    """Where the operators' keys are defined."""
    queue_keys: str
    """How the operators of a queue get their keys; `{}` is its name."""
    member: str
    """A queue's member: `{queue}` is its name, `{line}` the member's line in queues.conf."""
    variables: str
    """The dialplan's global variables."""
    include: str
    """Where our dialplan is included."""
    dialplan: str
    """Where the centre's own contexts are."""
    guard: str
    """Where the guard is called; `{}` is the trunk's context."""
    trunks: str
    """Where a trunk's context is set."""
    user_file: str
    """How the file with our AMI user is protected."""


PLAIN: Final = Places(
    manager="in manager.conf [general]",
    keys="in features.conf: #tryinclude features_siaga112.conf",
    queue_keys="in queues.conf [{}]: membergosub = siaga112-operator "
    "(then on the PBX: asterisk -rx 'module reload app_queue.so')",
    member="in queues.conf [{queue}]: member => {line}",
    variables="in extensions.conf [globals]",
    include="in extensions.conf: #tryinclude extensions_siaga112.conf",
    dialplan="in extensions.conf",
    guard="in [{}], before Answer() and the menu: same => n,Gosub(siaga112-screen,s,1)",
    trunks="pjsip.conf",
    user_file="on the PBX: chgrp asterisk and chmod 640, of manager.d/siaga112.conf",
)

FREEPBX: Final = Places(
    manager="in manager_custom.conf [general](+)",
    keys="on the PBX: siaga112 files asterisk --to /etc/asterisk; then "
    "grep '=>' /etc/asterisk/features_siaga112.conf >> /etc/asterisk/features_applicationmap_custom.conf",
    # Not `[{}](+)` in queues_post_custom.conf: it outlives the queue, and then Asterisk loads none at all.
    queue_keys="in extensions_custom.conf [from-pstn-custom], below the line that asks: same => n,"
    "ExecIf(${{DIALPLAN_EXISTS(siaga112-operator,s,1)}}?Set(VQ_GOSUB=siaga112-operator)) "
    "(then on the PBX: asterisk -rx 'dialplan reload')",
    member="in FreePBX, Queues, {queue}, Static Agents: the extension's number, as 101,0",
    variables="in globals_custom.conf",
    include="in extensions_custom.conf: #tryinclude extensions_siaga112.conf",
    dialplan="in extensions_custom.conf",
    guard="in extensions_custom.conf [from-pstn-custom]: exten => 112,1,Gosub(siaga112-screen,s,1), "
    "and below it: same => n,Goto(ext-did,${{EXTEN}},1)",
    trunks="FreePBX, Trunks, Context",
    user_file="keep it outside of /etc/asterisk, where fwconsole chown opens it again: "
    "in manager_custom.conf: #tryinclude /etc/siaga112/manager_siaga112.conf (root:asterisk, 640)",
)
