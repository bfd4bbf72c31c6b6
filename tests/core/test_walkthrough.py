"""The manual's page on the policy agrees with the policy."""

from tests.core.walkthrough import DOCUMENT, document


def test_the_page_on_the_policy_is_up_to_date() -> None:
    """docs/policy.md agrees with the code: `make docs` writes it."""
    assert DOCUMENT.read_text("utf-8") == document()
