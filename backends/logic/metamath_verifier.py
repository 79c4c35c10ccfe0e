"""A Metamath verifier: the second opinion on `theory.mm`, beside the program `metamath`.

After the language's specification (N. Megill and D. Wheeler, "Metamath", 2nd edition, chapter 4). It
shares no code with the exporter, and imports nothing beyond the standard library. File inclusion
(`$[`) is refused, so verifying reads no file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Expression = tuple[str, ...]
Pair = tuple[str, str]

_LABEL = re.compile(r"[A-Za-z0-9._-]+\Z")
_SYMBOL = re.compile(r"[!-#%-~]+\Z")  # printable ASCII without '$'
_UNPRINTABLE = re.compile(r"[^\t\n\f\r -~]")
_COMMENT = re.compile(r"(?:^|(?<=\s))\$\((?=\s)(.*?)\s\$\)(?=\s|\Z)", re.DOTALL)


class MetamathError(Exception):
    """The database is not valid. The message names the statement."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """An axiom or theorem with its mandatory frame.

    `floating` are (typecode, variable) and `essential` the hypotheses' expressions, each list in the
    order of the database; `order` says for each mandatory hypothesis in turn whether it is floating.
    """

    label: str
    order: tuple[bool, ...]
    floating: tuple[Pair, ...]
    essential: tuple[Expression, ...]
    disjoint: frozenset[Pair]
    conclusion: Expression


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """An active `$f` or `$e` statement."""

    label: str
    is_floating: bool
    expression: Expression


@dataclass(frozen=True, slots=True)
class Report:
    """What was verified: labels of the `$p` statements, and of the `$a` statements, in order."""

    theorems: tuple[str, ...]
    axioms: tuple[str, ...]


@dataclass(slots=True)
class _Scope:
    variables: set[str] = field(default_factory=set)
    disjoint: set[Pair] = field(default_factory=set)
    hypotheses: list[Hypothesis] = field(default_factory=list)
    types: dict[str, str] = field(default_factory=dict)  # variable -> typecode


def verify(text: str) -> Report:
    """Verifies every proof of a database. Raises MetamathError at the first fault."""
    return _Verifier().run(text)


class _Verifier:
    """The state of reading one database from its start to its end."""

    def __init__(self) -> None:
        self.constants: set[str] = set()
        self.ever_variable: set[str] = set()
        self.scopes: list[_Scope] = [_Scope()]
        self.types: dict[str, str] = {}  # of the variables active now
        self.labels: dict[str, Hypothesis | Assertion] = {}
        self.theorems: list[str] = []
        self.axioms: list[str] = []

    def run(self, text: str) -> Report:
        tokens = _tokens(text)
        statements = self._statements()
        label = ""
        for token in tokens:
            if token in statements:
                statements[token](label, tokens)
                label = ""
            elif label:
                raise MetamathError(f"the label {label} is followed by {token}")
            elif not _LABEL.match(token):
                raise MetamathError(f"{token} is neither a keyword nor a label")
            else:
                label = token
        if label or len(self.scopes) > 1:
            raise MetamathError("the database ends inside a statement or block")
        return Report(tuple(self.theorems), tuple(self.axioms))

    def _statements(self) -> dict[str, Callable[[str, Iterator[str]], None]]:
        return {
            "$c": self._constants,
            "$v": self._variables,
            "$d": self._disjoint,
            "$f": self._floating,
            "$e": self._essential,
            "$a": self._axiom,
            "$p": self._theorem,
            "${": self._open,
            "$}": self._close,
        }

    # --- blocks and declarations ---

    def _open(self, label: str, tokens: Iterator[str]) -> None:
        _unlabelled(label, "${")
        self.scopes.append(_Scope())

    def _close(self, label: str, tokens: Iterator[str]) -> None:
        _unlabelled(label, "$}")
        if len(self.scopes) == 1:
            raise MetamathError("$} without ${")
        for variable in self.scopes.pop().types:
            del self.types[variable]

    def _constants(self, label: str, tokens: Iterator[str]) -> None:
        _unlabelled(label, "$c")
        if len(self.scopes) > 1:
            raise MetamathError("$c inside a block")
        for symbol in self._new_symbols(tokens, "$c"):
            if symbol in self.constants or symbol in self.ever_variable:
                raise MetamathError(f"{symbol} is declared twice")
            self.constants.add(symbol)

    def _variables(self, label: str, tokens: Iterator[str]) -> None:
        _unlabelled(label, "$v")
        for symbol in self._new_symbols(tokens, "$v"):
            if symbol in self.constants or self._is_variable(symbol):
                raise MetamathError(f"{symbol} is declared twice")
            self.scopes[-1].variables.add(symbol)
            self.ever_variable.add(symbol)

    def _new_symbols(self, tokens: Iterator[str], keyword: str) -> list[str]:
        symbols = _until(tokens, "$.")
        if not symbols:
            raise MetamathError(f"{keyword} declares nothing")
        for symbol in symbols:
            if not _SYMBOL.match(symbol) or symbol in self.labels:
                raise MetamathError(f"{symbol} cannot be a symbol")
        return symbols

    def _disjoint(self, label: str, tokens: Iterator[str]) -> None:
        _unlabelled(label, "$d")
        symbols = _until(tokens, "$.")
        if len(set(symbols)) != len(symbols) or len(symbols) < 2:
            raise MetamathError("$d needs two or more different variables")
        for symbol in symbols:
            if not self._is_variable(symbol):
                raise MetamathError(f"$d names {symbol}, which is no active variable")
        pairs = {_pair(a, b) for a in symbols for b in symbols if a < b}
        self.scopes[-1].disjoint |= pairs

    def _is_variable(self, symbol: str) -> bool:
        return any(symbol in scope.variables for scope in self.scopes)

    # --- hypotheses ---

    def _floating(self, label: str, tokens: Iterator[str]) -> None:
        symbols = _until(tokens, "$.")
        if len(symbols) != 2 or symbols[0] not in self.constants or not self._is_variable(symbols[1]):
            raise MetamathError(f"{label}: $f is a constant and an active variable")
        if symbols[1] in self.types:
            raise MetamathError(f"{label}: {symbols[1]} has a type already")
        self.types[symbols[1]] = symbols[0]
        self.scopes[-1].types[symbols[1]] = symbols[0]
        self._hypothesis(Hypothesis(label, True, tuple(symbols)))

    def _essential(self, label: str, tokens: Iterator[str]) -> None:
        self._hypothesis(Hypothesis(label, False, self._expression(label, _until(tokens, "$."))))

    def _hypothesis(self, hypothesis: Hypothesis) -> None:
        self._define(hypothesis.label, hypothesis)
        self.scopes[-1].hypotheses.append(hypothesis)

    def _define(self, label: str, meaning: Hypothesis | Assertion) -> None:
        if not label:
            raise MetamathError("a statement without a label")
        if label in self.labels or label in self.constants or label in self.ever_variable:
            raise MetamathError(f"the label {label} is in use")
        self.labels[label] = meaning

    def _expression(self, label: str, symbols: list[str]) -> Expression:
        if not symbols or symbols[0] not in self.constants:
            raise MetamathError(f"{label}: an expression begins with a constant")
        for symbol in symbols:
            if symbol not in self.constants and symbol not in self.types:
                raise MetamathError(f"{label}: {symbol} is not declared, or has no type")
        return tuple(symbols)

    # --- assertions ---

    def _axiom(self, label: str, tokens: Iterator[str]) -> None:
        self._define(label, self._assertion(label, self._expression(label, _until(tokens, "$."))))
        self.axioms.append(label)

    def _theorem(self, label: str, tokens: Iterator[str]) -> None:
        conclusion = self._expression(label, _until(tokens, "$="))
        proof = _until(tokens, "$.")
        assertion = self._assertion(label, conclusion)
        self._check_proof(assertion, proof)
        self._define(label, assertion)
        self.theorems.append(label)

    def _active(self) -> list[Hypothesis]:
        return [h for scope in self.scopes for h in scope.hypotheses]

    def _assertion(self, label: str, conclusion: Expression) -> Assertion:
        active = self._active()
        used = set(conclusion)
        for hypothesis in active:
            if not hypothesis.is_floating:
                used.update(hypothesis.expression)
        variables = used & self.types.keys()
        mandatory = [h for h in active if not h.is_floating or h.expression[1] in variables]
        pairs = {
            p for scope in self.scopes for p in scope.disjoint if p[0] in variables and p[1] in variables
        }
        return Assertion(
            label,
            tuple(h.is_floating for h in mandatory),
            tuple((h.expression[0], h.expression[1]) for h in mandatory if h.is_floating),
            tuple(h.expression for h in mandatory if not h.is_floating),
            frozenset(pairs),
            conclusion,
        )

    # --- proofs ---

    def _check_proof(self, assertion: Assertion, proof: list[str]) -> None:
        stack = self._run_compressed(assertion, proof) if proof[:1] == ["("] else self._run(assertion, proof)
        if len(stack) != 1:
            raise MetamathError(f"{assertion.label}: the proof leaves {len(stack)} expressions")
        if stack[0] != assertion.conclusion:
            found = " ".join(stack[0])
            raise MetamathError(f"{assertion.label}: the proof shows {found}")

    def _run(self, assertion: Assertion, proof: list[str]) -> list[Expression]:
        step = _Steps(assertion.label, self._all_disjoint(), self.types)
        active = {h.label for h in self._active()}
        for label in proof:
            step.take(self._referent(assertion.label, label, active))
        return step.stack

    def _all_disjoint(self) -> frozenset[Pair]:
        return frozenset(p for scope in self.scopes for p in scope.disjoint)

    def _referent(self, theorem: str, label: str, active: set[str]) -> Hypothesis | Assertion:
        found = self.labels.get(label)
        if found is None or (isinstance(found, Hypothesis) and label not in active):
            raise MetamathError(f"{theorem}: the proof names {label}, which is not there")
        return found

    def _run_compressed(self, assertion: Assertion, proof: list[str]) -> list[Expression]:
        """A proof `( labels ) LETTERS`: numbers of mandatory hypotheses, labels, saved results."""
        if ")" not in proof:
            raise MetamathError(f"{assertion.label}: a compressed proof without ')'")
        end = proof.index(")")
        active = self._active()
        known = {h.label for h in active}
        variables = {v for _, v in assertion.floating}
        table: list[Hypothesis | Assertion] = [
            h for h in active if not h.is_floating or h.expression[1] in variables
        ]
        mandatory = {h.label for h in table}
        for label in proof[1:end]:
            if label in mandatory:
                raise MetamathError(f"{assertion.label}: {label} is mandatory and needs no mention")
            table.append(self._referent(assertion.label, label, known))
        step = _Steps(assertion.label, self._all_disjoint(), self.types)
        saved: list[Expression] = []
        for number in _numbers(assertion.label, "".join(proof[end + 1 :])):
            if number < 0:
                if not step.stack:
                    raise MetamathError(f"{assertion.label}: nothing to save")
                saved.append(step.stack[-1])
            elif number < len(table):
                step.take(table[number])
            elif number - len(table) < len(saved):
                step.stack.append(saved[number - len(table)])
            else:
                raise MetamathError(f"{assertion.label}: the proof's number {number + 1} means nothing")
        return step.stack


@dataclass(slots=True)
class _Steps:
    """The stack of a proof being run."""

    theorem: str
    disjoint: frozenset[Pair]
    types: dict[str, str]
    stack: list[Expression] = field(default_factory=list)

    def take(self, referent: Hypothesis | Assertion) -> None:
        if isinstance(referent, Hypothesis):
            self.stack.append(referent.expression)
        else:
            self._apply(referent)

    def _apply(self, assertion: Assertion) -> None:
        count = len(assertion.order)
        base = len(self.stack) - count
        if base < 0:
            raise MetamathError(f"{self.theorem}: {assertion.label} needs {count} expressions")
        arguments = self.stack[base:]
        del self.stack[base:]
        substitution: dict[str, Expression] = {}
        essentials: list[Expression] = []
        floating = iter(assertion.floating)
        for is_floating, argument in zip(assertion.order, arguments, strict=True):
            if not is_floating:
                essentials.append(argument)
                continue
            typecode, variable = next(floating)
            if argument[0] != typecode:
                raise MetamathError(f"{self.theorem}: {assertion.label} wants a {typecode} for {variable}")
            substitution[variable] = argument[1:]
        for wanted, given in zip(assertion.essential, essentials, strict=True):
            if _substituted(wanted, substitution) != given:
                raise MetamathError(f"{self.theorem}: a hypothesis of {assertion.label} does not match")
        if assertion.disjoint:
            self._check_disjoint(assertion, substitution)
        self.stack.append(_substituted(assertion.conclusion, substitution))

    def _check_disjoint(self, assertion: Assertion, substitution: dict[str, Expression]) -> None:
        for first, second in assertion.disjoint:
            left = {s for s in substitution[first] if s in self.types}
            right = {s for s in substitution[second] if s in self.types}
            for a in left:
                for b in right:
                    if a == b or _pair(a, b) not in self.disjoint:
                        raise MetamathError(
                            f"{self.theorem}: {assertion.label} needs {a} and {b} to be distinct variables"
                        )


def _substituted(pattern: Expression, substitution: dict[str, Expression]) -> Expression:
    found: list[str] = []
    for symbol in pattern:
        replacement = substitution.get(symbol)
        if replacement is None:
            found.append(symbol)
        else:
            found += replacement
    return tuple(found)


def _numbers(theorem: str, letters: str) -> Iterator[int]:
    """The numbers of a compressed proof from 0 on; -1 where a result is saved."""
    value = 0
    may_save = False
    for letter in letters:
        if "A" <= letter <= "T":
            yield 20 * value + ord(letter) - ord("A")
            value, may_save = 0, True
        elif "U" <= letter <= "Y":
            value, may_save = 5 * value + ord(letter) - ord("U") + 1, False
        elif letter == "Z" and may_save:
            yield -1
            may_save = False
        else:
            raise MetamathError(f"{theorem}: '{letter}' cannot stand here in a compressed proof")
    if value:
        raise MetamathError(f"{theorem}: the compressed proof ends inside a number")


# --- tokens -------------------------------------------------------------------------------


def _tokens(text: str) -> Iterator[str]:
    bad = _UNPRINTABLE.search(text)
    if bad is not None:
        raise MetamathError(f"the character {bad.group()!r} is not allowed")
    without = _COMMENT.sub(_comment, text)
    tokens = without.split()
    for token in tokens:
        if token in ("$(", "$)", "$[", "$]"):
            raise MetamathError(f"{token}: an open comment, or a file to include")
    return iter(tokens)


def _comment(found: re.Match[str]) -> str:
    if "$(" in found.group(1) or "$)" in found.group(1):
        raise MetamathError("a comment inside a comment")
    return " "


def _until(tokens: Iterator[str], end: str) -> list[str]:
    found: list[str] = []
    for token in tokens:
        if token == end:
            return found
        if "$" in token:
            raise MetamathError(f"{token} inside a statement that ends with {end}")
        found.append(token)
    raise MetamathError(f"the database ends before {end}")


def _unlabelled(label: str, keyword: str) -> None:
    if label:
        raise MetamathError(f"the label {label} before {keyword}")


def _pair(a: str, b: str) -> Pair:
    return (a, b) if a < b else (b, a)
