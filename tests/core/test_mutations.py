"""Mutation tests of the classifier: a change to any part of it changes the outcome of some call."""

import ast
import inspect
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType

import pytest

from siaga112.core import outcome
from siaga112.core.model import Call, CallId, Fact, FactKind, Outcome
from siaga112.core.tracking.tracker import Tracker
from tests.core.table import DIALPLAN, RULES, events, in_force
from tests.core.test_calls import CALLS, MENU

SOURCE = inspect.getsource(outcome)


def ended(table: str) -> list[Call]:
    """Return the calls of a table, tracked but not yet classified."""
    tracker = Tracker(in_force(DIALPLAN))
    return [call for event in events(table) for call in tracker.feed(event)]


UNHEARD_OF = Call(
    CallId("112.1"),
    "",
    None,
    identified=False,
    facts=(Fact(0, FactKind.ARRIVED), Fact(1, FactKind.GAVE_UP, "UNHEARD_OF"), Fact(2, FactKind.ENDED)),
)
"""A call whose queue gave up with an unknown status: no AMI event leads to it, but a file may."""

MARKED_LATER = [
    replace(call, facts=(*call.facts, Fact(call.ended + 60_000, FactKind.MARKED, "prank")))
    for call in ended(MENU + "10:00:30 Hangup 100.1")
]

TRACKED = [UNHEARD_OF, *MARKED_LATER, *(call for table, _ in CALLS.values() for call in ended(table))]


def results(classifier: ModuleType) -> list[object]:
    """Return the classification of every call; an exception is a result too."""
    found: list[object] = []
    for call in TRACKED:
        try:
            finding = classifier.classify(call, RULES)
        except Exception as error:  # noqa: BLE001 - a mutant may raise anything
            found.append(repr(error))
        else:
            found.append(finding)
    return found


class _Mutator(ast.NodeTransformer):
    """Changes the nth mutable place only."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.seen = 0
        self.changed = ""

    def _hit(self, node: ast.AST, what: str) -> bool:
        self.seen += 1
        if self.seen - 1 == self.n:
            self.changed = f"line {getattr(node, 'lineno', 0)}: {what}"
            return True
        return False

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """Leave types alone, but visit what is indexed."""
        node.value = self.visit(node.value)
        return node

    def visit_If(self, node: ast.If) -> ast.AST:
        self.generic_visit(node)
        if self._hit(node, "condition inverted"):
            node.test = ast.UnaryOp(ast.Not(), node.test)
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        if self._hit(node, "choice inverted"):
            node.body, node.orelse = node.orelse, node.body
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.ops[0], ast.LtE) and self._hit(node, "<= became <"):
            node.ops[0] = ast.Lt()
        return node

    def visit_Tuple(self, node: ast.Tuple) -> ast.AST:
        """Remove a rule, or an element of another tuple."""
        self.generic_visit(node)
        if node.elts and isinstance(node.ctx, ast.Load) and self._hit(node, "last element dropped"):
            node.elts = node.elts[:-1]
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """Replace the kind of a fact."""
        self.generic_visit(node)
        if (
            isinstance(node.value, ast.Name)
            and node.value.id == "FactKind"
            and self._hit(node, f"no {node.attr}")
        ):
            node.attr = "ADOPTED" if node.attr != "ADOPTED" else "MARKED"
        return node


def mutants() -> Iterator[tuple[str, ModuleType]]:
    """Yield variants of the classifier, each with one change and its description."""
    n = 0
    while True:
        mutator = _Mutator(n)
        tree = mutator.visit(ast.parse(SOURCE))
        if not mutator.changed:
            return
        module = ModuleType("mutant")
        module.__dict__["__name__"] = "siaga112.core.outcome"
        try:
            exec(compile(ast.fix_missing_locations(tree), "mutant", "exec"), module.__dict__)  # noqa: S102 - our mutant
        except Exception:  # noqa: BLE001 - a mutant that does not load is detected
            n += 1
            continue
        yield mutator.changed, module
        n += 1


def test_a_word_that_no_table_knows_proves_nothing() -> None:
    """A fact with an unknown word makes a call `unknown`, and raises nothing."""
    assert outcome.classify(UNHEARD_OF, RULES).outcome is Outcome.UNKNOWN


def test_removing_or_inverting_anything_in_the_classifier_is_noticed() -> None:
    """Removing or inverting any part of a rule changes the outcome of some call."""
    expected = results(outcome)
    tried = 0
    survivors = []
    for what, mutant in mutants():
        tried += 1
        if results(mutant) == expected:
            survivors.append(what)
    assert tried > 60
    assert survivors == []


@pytest.mark.parametrize("n", range(len(outcome.RULES)))
def test_every_rule_is_needed(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Removing any one rule changes the outcome of some call."""
    expected = results(outcome)
    monkeypatch.setattr(outcome, "RULES", (*outcome.RULES[:n], *outcome.RULES[n + 1 :]))
    assert results(outcome) != expected
