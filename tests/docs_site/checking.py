"""The checks of the built site: links and anchors, and each page in Chromium on a phone's screen."""

import functools
import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from tests.lab import chromium

WIDTH: Final = 390
CODE: Final = frozenset({"code", "pre", "script", "style"})
MARKDOWN: Final = re.compile(r"```.{0,40}|\*\*\w.{0,40}|\|---.{0,20}|\n- .{0,40}")
PHONE: Final = {"width": WIDTH, "height": 844, "deviceScaleFactor": 2, "mobile": True}


@dataclass
class Links(HTMLParser):
    """A page's links and resources, its anchors, and its words outside of code."""

    targets: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    words: str = ""
    _code: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record the addresses and the id of an element."""
        self._code += tag in CODE
        for name, value in attrs:
            if name in {"href", "src"} and value:
                self.targets.append(value)
            if name == "id" and value:
                self.names.add(value)

    def handle_endtag(self, tag: str) -> None:
        """Record where code ends."""
        self._code -= tag in CODE

    def handle_data(self, data: str) -> None:
        """Record the words."""
        self.words += "" if self._code else data


def pages(site: Path) -> list[str]:
    """Return the pages of a site relative to its root, without 404.html."""
    found = sorted(str(file.relative_to(site)) for file in site.rglob("*.html"))
    return [page for page in found if Path(page).name != "404.html"]


def read(page: Path) -> Links:
    """Return a page's links, anchors and words."""
    links = Links()
    links.feed(page.read_text("utf-8"))
    return links


def broken(site: Path) -> tuple[int, list[str]]:
    """Follow every link within the site; return how many there are, and the broken ones."""
    known = {page: read(site / page) for page in pages(site)}
    count, wrong = 0, []
    for page, links in known.items():
        for target in links.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            count += 1
            path = os.path.normpath(Path(page).parent / unquote(parts.path)) if parts.path else page
            path = f"{path}/index.html" if (site / path).is_dir() else path
            if not (site / path).is_file():
                wrong.append(f"{page}: {target} is not there")
            elif parts.fragment and path in known and unquote(parts.fragment) not in known[path].names:
                wrong.append(f"{page}: {target} names nothing on that page")
    return count, wrong


def unread(site: Path) -> list[str]:
    """Return Markdown that the generator left as text: a list, a table, a fence, bold letters."""
    found = ((page, MARKDOWN.search(read(site / page).words)) for page in pages(site))
    return [f"{page} shows Markdown: {left[0].strip()}" for page, left in found if left]


@contextmanager
def served(site: Path) -> Iterator[str]:
    """Serve a folder on loopback until the block ends; yield its address."""
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_Quiet, directory=str(site)), bind_and_activate=True
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log nothing."""


async def looked_at(site: Path) -> list[str]:
    """Open each page on a phone's screen; return what asks other hosts, fails or scrolls sideways."""
    wrong = []
    with served(site) as address:
        async with chromium.tab() as tab:
            await tab.ask("Emulation.setDeviceMetricsOverride", **PHONE)
            for page in pages(site):
                tab.requests.clear()
                tab.messages.clear()
                await tab.open(f"{address}/{page}")
                shown = json.loads(await _value(tab, MEASURED))
                wrong += [
                    f"{page} asks another host: {url}"
                    for url in tab.requests
                    if not re.match(rf"{address}/|data:|blob:", url)
                ]
                wrong += [f"{page} says: {said}" for said in tab.messages]
                if shown["width"] > WIDTH:
                    wrong.append(f"{page} is {shown['width']} px wide: {shown['wide']}")
    return wrong


MEASURED: Final = f"""JSON.stringify({{
  width: document.scrollingElement.scrollWidth,
  wide: [...document.querySelectorAll('body *')]
    .filter(one => one.getBoundingClientRect().right > {WIDTH} + 1 && !one.closest('table, pre'))
    .slice(0, 3).map(one => one.tagName + ' ' + one.textContent.slice(0, 40)),
}})"""


async def _value(tab: chromium.Tab, expression: str) -> str:
    found = await tab.ask("Runtime.evaluate", expression=expression)
    return str(found["result"]["value"])
