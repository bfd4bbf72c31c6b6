"""The sections, each measured in a process of its own, with which its memory and its log begin."""

import functools
import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Final

from benchmarks import (
    announced,
    commands,
    costs,
    country,
    events,
    growth,
    pbx,
    replica,
    variants,
    verdicts,
    whole,
)
from benchmarks.book import Book

SECTIONS: Final = {
    "verdicts": verdicts.measure,
    "variants": variants.measure,
    "replica": replica.measure,
    "events": events.measure,
    "whole": whole.measure,
    "announced": announced.measure,
    "costs": costs.measure,
    "commands": commands.measure,
    "growth": growth.measure,
    "country": country.measure,
    "pbx": pbx.measure,
}
APART: Final = {"country"}
"""Sections that are measured only if they are named."""

GUARDED: Final = ("verdicts", "events")
"""Sections that have guarded ratios."""


def measure(name: str, *, quick: bool) -> Book:
    """Measure a section in another process: a program's peak memory counts from that of its parent."""
    with ProcessPoolExecutor(1, get_context("spawn")) as alone:
        return alone.submit(_measure, name, quick=quick).result()


def _measure(name: str, *, quick: bool) -> Book:
    book, began = Book(), time.monotonic()
    book.add(f"load.{name}", os.getloadavg()[0])
    SECTIONS[name](book, quick=quick, say=functools.partial(print, f"{name}:", flush=True))
    print("\n".join(f"{figure}: {book.shown(figure, ',.3g')}" for figure in book.values))
    print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    return book
