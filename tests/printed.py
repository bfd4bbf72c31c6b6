"""No secret is ever printed: every log line and every command's output that the tests see comes by here.

`tests/conftest.py` brings what pytest itself captured, also of test processes; the daemon and the commands,
whose output the tests read themselves, bring each line.
"""

from typing import Final

SECRETS: Final = frozenset(
    {
        "lab-siaga112",  # [ami] secret, tests/lab/asterisk.py
        "s3cret",  # the same, where there is no PBX
        "change-me",  # the password in config/redis-acl.conf
        "hunter2",  # wrong passwords of Redis and its sentinels
        "sixteen letters!",  # [privacy] caller_key
    }
)
"""Every secret that the tests give to siaga112."""


def leaked(text: str) -> set[str]:
    """Give the secrets that the text shows."""
    return {secret for secret in SECRETS if secret in text}


def without_secrets(text: str) -> str:
    """Give the text, which shows no secret.

    Raises:
        AssertionError: if it does, with the line that shows it.

    """
    if secrets := leaked(text):
        shown = [line for line in text.splitlines() if any(secret in line for secret in secrets)]
        raise AssertionError(f"printed a secret: {shown}")
    return text
