"""The `tests:` of a graph or a function (R36, R38)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..diagnostics import did_you_mean
from ..diagnostics.codes import CODES
from .documents import Binding, Block, Label, SizeDeclaration, TestCase
from .keys import TEST_KEYS, TOLERANCE_KEYS
from .reading import Reading, first_note
from .yaml_nodes import YamlNode, YamlScalar

_CODE = re.compile(r"G[0-9]{4}\Z")


def read_tests(
    reading: Reading, node: YamlNode, block: Block, sizes: tuple[SizeDeclaration, ...]
) -> tuple[TestCase, ...]:
    """The cases; what they set is checked against what `block` declares."""
    found: list[TestCase] = []
    first: dict[str, Label] = {}
    for item in reading.items(node, "'tests:'"):
        fields = reading.fields(item, TEST_KEYS, "a test", item.span)
        if fields is None:
            continue
        label = reading.text(fields["name"], "a test's name") if "name" in fields else None
        if label is not None and first.setdefault(label.text, label) is not label:
            message = f"a second test named '{label.text}'"
            reading.error("G0802", message, label.span, notes=first_note(first[label.text]))
        case = _test(reading, item, fields, label.text if label is not None else "")
        _check_names(reading, case, block, sizes)
        found.append(case)
    return tuple(found)


def _test(reading: Reading, item: YamlNode, fields: dict[str, YamlNode], name: str) -> TestCase:
    def bindings(key: str, dotted: bool = False) -> tuple[Binding, ...]:
        node = fields.get(key)
        return () if node is None else reading.bindings(node, f"'{key}:'", dotted=dotted)

    training = reading.boolean(fields["training"], "'training:'") if "training" in fields else None
    seed = reading.integer(fields["seed"], "'seed:'", low=0) if "seed" in fields else None
    _check_expectation(reading, item, fields)
    return TestCase(
        item.span,
        name,
        sizes=bindings("sizes"),
        inputs=bindings("inputs"),
        attributes=bindings("attributes"),
        parameters=bindings("parameters", True),
        state=bindings("state", True),
        noise=bindings("noise", True),
        slots=bindings("slots"),
        let=bindings("let"),
        training=bool(training),
        seed=seed or 0,
        tolerance=_tolerance(reading, fields),
        backends=_backends(reading, fields),
        expect=reading.expressions(fields["expect"], "'expect:'") if "expect" in fields else (),
        expect_error=_expected_code(reading, fields["expect_error"]) if "expect_error" in fields else None,
    )


def _check_expectation(reading: Reading, item: YamlNode, fields: dict[str, YamlNode]) -> None:
    if "expect" in fields and "expect_error" in fields:
        message = "a test expects either conditions or an error"
        reading.error(
            "G0801", message, fields["expect_error"].span, hint="remove 'expect:' or 'expect_error:'"
        )
    if "expect" not in fields and "expect_error" not in fields:
        reading.error(
            "G0801", "a test without 'expect:'", item.span, hint="add 'expect:' and a list of conditions"
        )


def _tolerance(reading: Reading, fields: dict[str, YamlNode]) -> dict[str, float]:
    if "tolerance" not in fields:
        return {}
    node = fields["tolerance"]
    found: dict[str, float] = {}
    for key, value in (reading.fields(node, TOLERANCE_KEYS, "'tolerance:'", node.span) or {}).items():
        number = reading.number(value, f"'{key}:'", low=0.0)
        if number is not None:
            found[key] = number
    return found


def _backends(reading: Reading, fields: dict[str, YamlNode]) -> tuple[str, ...]:
    if "backends" not in fields:
        return ()
    node = fields["backends"]
    nodes = [node] if isinstance(node, YamlScalar) else list(reading.items(node, "'backends:'"))
    labels = [label for label in (reading.text(item, "a backend") for item in nodes) if label is not None]
    known = reading.vocabulary.backends
    for label in labels:
        if known and label.text not in known:
            hint = did_you_mean(label.text, known) or f"one of {' '.join(known)}"
            reading.error("G0805", f"there is no backend '{label.text}'", label.span, hint=hint)
    return tuple(label.text for label in labels)


def _expected_code(reading: Reading, node: YamlNode) -> str | None:
    label = reading.text(node, "'expect_error:'")
    if label is None:
        return None
    if not _CODE.match(label.text) or label.text not in CODES:
        hint = did_you_mean(label.text, CODES) or "a code such as G0301; 'graphwright list codes' shows them"
        reading.error("G0804", f"'{label.text}' is no code of a diagnostic", label.span, hint=hint)
    return label.text


def _check_names(reading: Reading, case: TestCase, block: Block, sizes: tuple[SizeDeclaration, ...]) -> None:
    """What a test sets must exist (G0803); paths into inner nodes are the builder's to check."""
    _check_known(reading, case.inputs, [d.name.text for d in block.inputs], "input")
    _check_known(reading, case.attributes, [a.name.text for a in block.attributes], "attribute")
    _check_known(reading, case.slots, [s.name.text for s in block.slots], "slot")


def _check_known(reading: Reading, given: Iterable[Binding], known: list[str], thing: str) -> None:
    for binding in given:
        if binding.name.text not in known:
            hint = did_you_mean(binding.name.text, known)
            if hint is None and known:
                hint = f"declared are {' '.join(known)}"
            message = f"the test sets the {thing} '{binding.name.text}', which is not declared"
            reading.error("G0803", message, binding.name.span, hint=hint)
