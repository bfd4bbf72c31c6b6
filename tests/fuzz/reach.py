"""Which lines of a contract's functions its inputs reach."""

import importlib
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from tests.fuzz.contracts import Contract


@cache
def _functions(contract: Contract) -> frozenset[CodeType]:
    """Return the code of the module's functions whose names match, nested ones included."""
    file = importlib.import_module(contract.module).__file__
    assert file
    return frozenset(
        _inner(compile(Path(file).read_text("utf-8"), file, "exec"), re.compile(contract.functions))
    )


def _inner(outer: CodeType, named: re.Pattern[str]) -> Iterator[CodeType]:
    for code in outer.co_consts:
        if isinstance(code, CodeType):
            yield from _inner(code, named)
            body = "__qualname__" in code.co_names  # the body of a class, which runs once, at the import
            if not body and code.co_name != "__repr__" and named.match(code.co_qualname):
                yield code


def all_lines(contract: Contract) -> set[int]:
    """Return all lines of the functions, without the first line of each."""
    return {
        line
        for code in _functions(contract)
        for *_, line in code.co_lines()
        if line and line > code.co_firstlineno
    }


def lines(contract: Contract, inputs: Iterable[bytes]) -> set[int]:
    """Return the lines that the inputs reach."""
    functions = _functions(contract)
    seen: set[int] = set()

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code not in functions:
            return None
        if event == "line":
            seen.add(frame.f_lineno)
        return trace

    sys.settrace(trace)
    try:
        for data in inputs:
            contract.check(data)
    finally:
        sys.settrace(None)
    return seen & all_lines(contract)
