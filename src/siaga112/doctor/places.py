"""Where on a PBX what is to be put: FreePBX writes Asterisk's files itself, and leaves a few alone."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Places:
    """Files, each with its section as a remedy names it."""

    manager: str
    """What holds for all of the AMI."""
    keys: str
    """How the operators' keys come to Asterisk."""
    queue: str
    """A queue's settings; `{}` is its name."""
    member: str
    """An operator of a queue: `{queue}` is its name, `{line}` what queues.conf has of the operator."""
    variables: str
    """The dialplan's global variables."""
    include: str
    """Where our dialplan is included."""
    dialplan: str
    """Where a context of one's own is."""
    guard: str
    """Where the guard is called; `{}` is the trunk's context."""
    trunks: str
    """Where the context of a trunk is said."""
    user_file: str
    """How the file with our AMI user is kept from others."""


PLAIN: Final = Places(
    manager="in manager.conf [general]",
    keys="in features.conf: #include features_siaga112.conf",
    queue="in queues.conf [{}]",
    member="in queues.conf [{queue}]: member => {line}",
    variables="in extensions.conf [globals]",
    include="in extensions.conf: #include extensions_siaga112.conf",
    dialplan="in extensions.conf",
    guard="in [{}], before Answer() and the menu: same => n,Gosub(siaga112-screen,s,1)",
    trunks="pjsip.conf",
    user_file="on the PBX: chgrp asterisk and chmod 640, of manager.d/siaga112.conf",
)

FREEPBX: Final = Places(
    manager="in manager_custom.conf [general](+)",
    keys="on the PBX: siaga112 files asterisk --to /etc/asterisk; then "
    "grep '=>' /etc/asterisk/features_siaga112.conf >> /etc/asterisk/features_applicationmap_custom.conf",
    queue="in queues_post_custom.conf [{}](+)",
    member="in FreePBX, Queues, {queue}, Static Agents: the extension's number, as 101,0",
    variables="in globals_custom.conf",
    include="in extensions_custom.conf: #tryinclude extensions_siaga112.conf",
    dialplan="in extensions_custom.conf",
    guard="in extensions_custom.conf [from-pstn-custom]: exten => 112,1,Gosub(siaga112-screen,s,1), "
    "and below it: same => n,Goto(ext-did,${{EXTEN}},1)",
    trunks="FreePBX, Trunks, Context",
    user_file="keep it outside of /etc/asterisk, where fwconsole chown opens it again: "
    "in manager_custom.conf: #tryinclude /etc/siaga112-ami/siaga112.conf (asterisk's, 600)",
)
