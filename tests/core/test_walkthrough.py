"""The manual's page on the policy says what the policy does."""

from tests.core.walkthrough import DOCUMENT, document


def test_the_page_on_the_policy_is_up_to_date() -> None:
    """docs/policy.md is what the code decides: `make docs` writes it."""
    assert DOCUMENT.read_text("utf-8") == document()
