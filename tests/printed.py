"""No secret is ever printed: the check of every log line and every command's output that the tests see.

`tests/conftest.py` applies it to what pytest captured, from the test and its processes; `tests/lab/daemon.py`
to the output of the daemon and the commands, which the tests read themselves.
"""

from typing import Final

SECRETS: Final = frozenset(
    {
        "lab-siaga112",  # [ami] secret, tests/lab/asterisk.py
        "s3cret",  # the same, in tests without a PBX
        "change-me",  # the password in config/redis-acl.conf
        "hunter2",  # wrong passwords of Redis and its sentinels
        "sixteen letters!",  # [privacy] caller_key
    }
)
"""Every secret that the tests give to siaga112."""


def leaked(text: str) -> set[str]:
    """Return the secrets that the text shows."""
    return {secret for secret in SECRETS if secret in text}


def without_secrets(text: str) -> str:
    """Return the text, which shows no secret.

    Raises:
        AssertionError: if it shows one; names the lines that do.

    """
    if secrets := leaked(text):
        shown = [line for line in text.splitlines() if any(secret in line for secret in secrets)]
        raise AssertionError(f"printed a secret: {shown}")
    return text
