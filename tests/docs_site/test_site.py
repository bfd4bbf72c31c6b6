"""The documentation's site: what the repository's pages become, and that its checks find faults."""

from pathlib import Path

from tests.docs_site import checking, pages


def test_every_page_has_a_place_on_the_site(tmp_path: Path) -> None:
    """Every page of the repository is on the site once and in its configuration; the guide is Indonesian."""
    found = pages.put(tmp_path)
    assert {"index.md", "manual.md", "decisions/index.md", "benchmarks.md", "changelog.md"} <= set(
        found["en"]
    )
    assert found["id"] == ["index.md"]
    below = [name for name in pages.tracked() if name.startswith("docs/") and name.endswith(".md")]
    assert len(set(found["en"])) == len(found["en"]) == len({*below, *pages.PLACES} - {pages.GUIDE})
    configured = (tmp_path / "en" / "zensical.toml").read_text("utf-8")
    assert [page for page in found["en"] if f'"{page}"' not in configured] == []


def test_a_link_leads_to_where_the_page_is_on_the_site() -> None:
    """A link to a page, a heading or a folder's index leads to its place on the site."""
    text = "[a](../CONTRIBUTING.md) [b](policy.md#levels) [c](decisions/) ![d](images/wall.png) [e](#here)"
    assert pages.linked(text, "docs/manual.md") == (
        "[a](contributing.md) [b](policy.md#levels) [c](decisions/index.md) ![d](images/wall.png) [e](#here)"
    )
    assert pages.linked("[x](../../benchmarks/README.md)", "docs/decisions/h11.md") == "[x](../benchmarks.md)"
    assert pages.linked("`[no](link.md)` [a](http://x/)", "README.md") == "`[no](link.md)` [a](http://x/)"


def test_a_link_to_a_file_becomes_its_path_in_the_repository() -> None:
    """A link to another file becomes its path, or a link into the repository if that has an address."""
    text = "see [the alerts](../config/prometheus/) and [LICENSE](../LICENSE)"
    assert pages.linked(text, "docs/manual.md") == "see the alerts (`config/prometheus`) and LICENSE"
    assert "[the alerts](https://x/tree/config/prometheus)" in pages.linked(
        text, "docs/manual.md", "https://x/tree/"
    )


def test_the_languages_link_to_each_other() -> None:
    """Links between the languages are HTML with the final address, as each is a site of its own."""
    assert pages.linked("[g](panduan.md#konsol)", "docs/manual.md") == '<a href="id/index.html#konsol">g</a>'
    assert pages.linked("[m](manual.md#programs)", pages.GUIDE) == '<a href="../manual.html#programs">m</a>'
    assert pages.linked("![k](images/konsol-papan.png)", pages.GUIDE) == "![k](images/konsol-papan.png)"


def test_lists_nest_as_the_generator_reads_them() -> None:
    """Lists are indented by four spaces a level after a blank line, with their code; other code stays."""
    forge = (
        "text:\n- a\n  more\n  - b\n\n    ```sh\n    x\n    ```\n\n10. c\n\n    d\n\n```\n- no\n  list\n```"
    )
    assert pages.nested(forge) == (
        "text:\n\n-   a\n    more\n    -   b\n\n        ```sh\n        x\n        ```\n\n"
        "10. c\n\n    d\n\n```\n- no\n  list\n```"
    )


def test_a_list_after_a_paragraph_of_an_item_is_one() -> None:
    """What follows an item's second paragraph directly is the next item, or a list within the item."""
    assert pages.nested("- a\n\n  b\n- c\n\n  d\n  - e") == "-   a\n\n    b\n\n-   c\n\n    d\n\n    -   e"


def test_a_bar_in_code_needs_no_backslash_in_a_table() -> None:
    """A bar in code in a table loses its backslash, which the generator would show."""
    assert pages.barred("| `a\\|b` | c \\| d |\n`a\\|b`") == "| `a|b` | c \\| d |\n`a\\|b`"


def test_a_broken_link_or_anchor_is_seen(tmp_path: Path) -> None:
    """A link to a missing page, image or anchor is found; links to other sites are not followed."""
    (tmp_path / "a.html").write_text(
        '<a href="b.html#there"></a><a href="b.html#gone"></a><a href="c.html"></a><a href="https://x/"></a>'
    )
    (tmp_path / "b.html").write_text('<h1 id="there"></h1><img src="no.png"><a href="#there"></a>')
    assert checking.broken(tmp_path) == (
        5,
        [
            "a.html: b.html#gone names nothing on that page",
            "a.html: c.html is not there",
            "b.html: no.png is not there",
        ],
    )


def test_markdown_that_was_not_read_is_seen(tmp_path: Path) -> None:
    """Markdown that was left as text is found, for example a list directly after a paragraph; code is not."""
    (tmp_path / "a.html").write_text("<p>two\n- **things**</p>")
    (tmp_path / "b.html").write_text("<pre>\n- one\n```</pre><p>a ** b: *** 1 - 2</p>")
    assert checking.unread(tmp_path) == ["a.html shows Markdown: - **things**"]


async def test_a_wide_page_and_a_request_elsewhere_are_seen(tmp_path: Path) -> None:
    """A page that asks another host or scrolls sideways is found; a part may scroll by itself."""
    head = '<link rel=icon href="data:,"><meta name="viewport" content="width=device-width">'
    (tmp_path / "good.html").write_text(
        f'{head}<div style="overflow:auto"><div style="width:900px">.</div></div>'
    )
    (tmp_path / "other.html").write_text(f'{head}<script src="https://example.invalid/x.js"></script>')
    (tmp_path / "wide.html").write_text(f'{head}<p style="width:900px">wide</p>')
    wrong = await checking.looked_at(tmp_path)
    assert wrong[0] == "other.html asks another host: https://example.invalid/x.js"
    assert wrong[-1].startswith("wide.html is 9")
    assert {line.split()[0] for line in wrong} == {"other.html", "wide.html"}
