"""Every wait of the tests, the lab and the benchmarks has a bound, so that what hangs ends and says where."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
FILES: Final = sorted(
    path
    for folder in ("tests", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)  # .built: the peers' own code
)

AWAITED: Final = {
    *("wait", "get", "join", "communicate", "wait_closed", "drain", "acquire"),
    *("read", "readline", "readuntil", "readexactly", "sock_recv", "sock_accept"),
    *("open_connection", "open_unix_connection", "anext"),
}
"""Calls that an `await` may wait for without end."""

METHODS: Final = {"wait", "get", "join", "read"}
"""Those that count only as methods, since functions of the same name are ours or Python's own."""

BARE: Final = {"wait", "get", "join"}
"""Those that with an argument do something else or have a timeout."""

TIMED: Final = {"run", "check_call", "check_output", "urlopen", "create_connection"}
"""Functions with a `timeout` that must be given."""

ARGUED: Final = {"wait", "join", "communicate"}
"""Methods in which a thread waits without end if it gives no argument."""

BOUNDS: Final = {"timeout", "timeout_at", "within", "wait_for"}
"""What ends all waits inside it."""

EXCUSE: Final = "# ends: "
"""The comment, in the same line or the one above, that says what ends a wait without a bound of its own."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A wait without a bound."""

    line: int
    what: str


class _Finder(ast.NodeVisitor):
    """Collects the waits of a module that no bound surrounds."""

    def __init__(self, source: str) -> None:
        self._lines = source.splitlines()
        self._bounded = 0
        self.found: list[Wait] = []

    def _report(self, node: ast.expr | ast.stmt) -> None:
        last = node.lineno if isinstance(node, ast.While) else node.end_lineno or node.lineno
        if not self._bounded and all(
            EXCUSE not in line for line in self._lines[max(0, node.lineno - 2) : last]
        ):
            self.found.append(Wait(node.lineno, self._lines[node.lineno - 1].strip()))

    def _inside(self, nodes: Iterator[ast.AST], *, bounded: int) -> None:
        before, self._bounded = self._bounded, bounded
        for node in nodes:
            self.visit(node)
        self._bounded = before

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._inside(ast.iter_child_nodes(node), bounded=0)  # the caller may have no bound

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._inside(ast.iter_child_nodes(node), bounded=0)

    def visit_AsyncWith(self, node: ast.AsyncWith) -> None:
        self._inside(iter(node.items), bounded=self._bounded)
        bound = any(_called(item.context_expr) in BOUNDS for item in node.items)
        self._inside(iter(node.body), bounded=self._bounded + bound)

    def visit_While(self, node: ast.While) -> None:
        if _waits(node) and not _has_deadline(node):
            self._report(node)
        self.generic_visit(node)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> None:
        if isinstance(node.iter, ast.Attribute) and node.iter.attr in {"stdout", "stderr"}:
            self._report(node)
        self.generic_visit(node)

    def visit_With(self, node: ast.With) -> None:
        for item in node.items:  # leaving the block waits for the program
            if _called(item.context_expr) == "Popen":
                self._report(item.context_expr)
        self.generic_visit(node)

    def visit_Await(self, node: ast.Await) -> None:
        value = node.value
        if _is_endless(value):
            self._report(node)
        elif isinstance(value, ast.Call):
            bound = _called(value) in BOUNDS
            self._inside(ast.iter_child_nodes(value), bounded=self._bounded + bound)
            return
        for child in ast.iter_child_nodes(value):
            self.visit(child)

    def visit_Call(self, node: ast.Call) -> None:
        name, given = _called(node), {keyword.arg for keyword in node.keywords}
        if name in TIMED and _module(node) in {"subprocess", "request", "socket"}:
            if (
                "timeout" not in given
                and None not in given
                and not (name == "create_connection" and node.args[1:])
            ):
                self._report(node)
        elif (
            name in ARGUED
            and not node.args
            and "timeout" not in given
            and isinstance(node.func, ast.Attribute)
        ) or (
            name == "readline" and isinstance(node.func, ast.Attribute) and _ends(node.func.value) == "stdout"
        ):
            self._report(node)
        self.generic_visit(node)


def _is_endless(value: ast.expr) -> bool:
    if not isinstance(value, ast.Call) or _called(value) not in AWAITED:
        return False
    if _called(value) in METHODS and not isinstance(value.func, ast.Attribute):
        return False
    given = bool(value.args) or any(keyword.arg == "timeout" for keyword in value.keywords)
    return not (given and _called(value) in BARE)


def _called(node: ast.AST) -> str:
    """Return the last name of what is called; '' for anything else."""
    return _ends(node.func) if isinstance(node, ast.Call) else ""


def _ends(node: ast.AST) -> str:
    match node:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""


def _module(node: ast.Call) -> str:
    return _ends(node.func.value) if isinstance(node.func, ast.Attribute) else ""


def _waits(loop: ast.While) -> bool:
    return any(isinstance(node, ast.Await) or _called(node) in {"sleep", "recv"} for node in ast.walk(loop))


def _has_deadline(loop: ast.While) -> bool:
    return any(_called(node) in {"monotonic", "time", "perf_counter"} for node in ast.walk(loop))


def unbounded(source: str) -> list[Wait]:
    """Return the waits of a module that have no bound."""
    finder = _Finder(source)
    finder.visit(ast.parse(source))
    return finder.found


def test_every_wait_has_a_bound() -> None:
    """Each wait has a time after which it fails, or says what ends it."""
    found = [
        f"{path.relative_to(ROOT)}:{wait.line}: {wait.what}"
        for path in FILES
        for wait in unbounded(path.read_text("utf-8"))
    ]
    assert not found, "\n".join(["without a bound:", *found])


ENDLESS: Final = (
    "await process.wait()",
    "await process.communicate()",
    "await queue.get()",
    "await reader.readuntil(end)",
    "await asyncio.open_connection(host, port)",
    "while not await done(): pass",
    "process.wait()",
    "thread.join()",
    "subprocess.run(command, check=True)",
    "urllib.request.urlopen(url)",
    "with subprocess.Popen(command): pass",
    "line = process.stdout.readline()",
    "async for line in process.stderr: pass",
)
BOUNDED: Final = (
    "await asyncio.wait_for(process.wait(), 5)",
    "process.wait(5)",
    "thread.join(timeout=5)",
    "subprocess.run(command, check=True, timeout=5)",
    "await process.wait()  # ends: it was killed",
    "while time.monotonic() < deadline: time.sleep(1)",
    "x = mapping.get(key)",
)


@pytest.mark.parametrize("line", ENDLESS)
def test_a_wait_without_a_bound_is_found(line: str) -> None:
    """Each way to wait without end is found, unless it is within a bound."""
    assert unbounded(f"async def test():\n    {line}\n")
    within = f"async def test():\n    async with within(5, 'it'):\n        {line}\n"
    assert not unbounded(within)
    assert unbounded(f"async def test():\n    async with other(5):\n        {line}\n")


@pytest.mark.parametrize("line", BOUNDED)
def test_a_wait_with_a_bound_is_fine(line: str) -> None:
    """A wait with a bound of its own, or with a comment that says what ends it, is not found."""
    assert not unbounded(f"async def test():\n    {line}\n")
