"""Graphs and functions: the keys that both take (R1-R5, R23, R24, R30)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from ..diagnostics import did_you_mean
from .case_reader import read_tests
from .documents import (
    AttributeDeclaration,
    Block,
    Declaration,
    Label,
    NodeDefinition,
    OutputDeclaration,
    Requirement,
    SizeDeclaration,
    SlotDeclaration,
    Update,
)
from .expression_parser import parse_expression
from .expressions import Expression, TypeExpression
from .keys import FUNCTION_KEYS
from .namespaces import check_block_names, check_function_names
from .reading import Reading, checked_name, first_note
from .type_parser import (
    parse_attribute,
    parse_declaration,
    parse_head,
    parse_node,
    parse_size,
    parse_slot,
    parse_type,
)
from .yaml_nodes import YamlMapping, YamlNode, YamlScalar, YamlSequence

T = TypeVar("T")


def read_block(
    reading: Reading, name: Label, fields: dict[str, YamlNode], sizes: Iterable[SizeDeclaration]
) -> Block:
    """The block of a graph (with its file's `sizes`, which share its namespace) or of a function."""

    def section(key: str, read: Callable[[Reading, YamlNode], tuple[T, ...]]) -> tuple[T, ...]:
        node = fields.get(key)
        return () if node is None else read(reading, node)

    doc = reading.text(fields["doc"], "'doc:'") if "doc" in fields else None
    block = Block(
        name,
        doc.text if doc is not None else "",
        inputs=section("inputs", _inputs),
        attributes=section("attributes", _attributes),
        slots=section("slots", _slots),
        parameters=section("parameters", _parameters),
        state=section("state", _state),
        noise=section("noise", _noise),
        require=section("require", _require),
        nodes=section("nodes", _nodes),
        updates=section("updates", _updates),
        outputs=section("outputs", _outputs),
    )
    check_block_names(reading, block, tuple(sizes))
    if "updates" in fields:
        _check_updates(reading, block)
    if "tests" not in fields:
        return block
    return replace(block, tests=read_tests(reading, fields["tests"], block, tuple(sizes)))


# --- declarations ---


def _texts(reading: Reading, node: YamlNode, section: str, thing: str) -> Iterator[tuple[Label, YamlScalar]]:
    """The entries of a section whose names are good and whose values are texts."""
    for key, value in reading.entries(node, f"'{section}:'"):
        label = reading.key_name(key, thing)
        scalar = reading.scalar(value, f"'{key.text}'", "a text")
        if label is not None and scalar is not None:
            yield label, scalar


def _declarations(reading: Reading, node: YamlNode, section: str, thing: str) -> Iterator[Declaration]:
    for label, scalar in _texts(reading, node, section, thing):
        found = reading.attempt(parse_declaration, label, scalar)
        if found is not None:
            yield found


def _inputs(reading: Reading, node: YamlNode) -> tuple[Declaration, ...]:
    found = tuple(_declarations(reading, node, "inputs", "an input"))
    for declaration in found:
        if declaration.default is not None:
            reading.error(
                "G0227",
                "the only default of an input is None",
                declaration.default.span,
                hint="a compile-time value with a default stands under 'attributes:'",
            )
    return found


def _owned(reading: Reading, node: YamlNode, section: str, thing: str) -> tuple[Declaration, ...]:
    found = tuple(_declarations(reading, node, section, thing))
    for declaration in found:
        if declaration.optional:
            message = f"{thing} cannot be None"
            reading.error("G0227", message, declaration.name.span, hint="only inputs are optional")
        if declaration.domain is not None:
            message = f"{thing} has no domain"
            reading.error(
                "G0227", message, declaration.domain.span, hint="domains belong to inputs; write '= …'"
            )
    return found


def _parameters(reading: Reading, node: YamlNode) -> tuple[Declaration, ...]:
    return _owned(reading, node, "parameters", "a parameter")


def _state(reading: Reading, node: YamlNode) -> tuple[Declaration, ...]:
    return _owned(reading, node, "state", "a state")


def _noise(reading: Reading, node: YamlNode) -> tuple[Declaration, ...]:
    return _owned(reading, node, "noise", "a noise")


def _attributes(reading: Reading, node: YamlNode) -> tuple[AttributeDeclaration, ...]:
    found: list[AttributeDeclaration] = []
    for key, value in reading.entries(node, "'attributes:'"):
        label = reading.key_name(key, "an attribute")
        if label is None:
            continue
        if isinstance(value, YamlSequence):
            constant = reading.constant(value, f"'{key.text}'")
            declaration = None if constant is None else AttributeDeclaration(label, "list", constant)
        else:
            scalar = reading.scalar(value, f"'{key.text}'", "a literal or a type")
            declaration = None if scalar is None else reading.attempt(parse_attribute, label, scalar)
        if declaration is not None:
            found.append(declaration)
    return tuple(found)


def _slots(reading: Reading, node: YamlNode) -> tuple[SlotDeclaration, ...]:
    found = (reading.attempt(parse_slot, *entry) for entry in _texts(reading, node, "slots", "a slot"))
    return tuple(slot for slot in found if slot is not None)


def read_sizes(reading: Reading, node: YamlNode) -> tuple[SizeDeclaration, ...]:
    found = (reading.attempt(parse_size, *entry) for entry in _texts(reading, node, "sizes", "a size"))
    return tuple(size for size in found if size is not None)


def _require(reading: Reading, node: YamlNode) -> tuple[Requirement, ...]:
    return tuple(Requirement(e) for e in reading.expressions(node, "'require:'"))


# --- nodes ---


def _nodes(reading: Reading, node: YamlNode) -> tuple[NodeDefinition, ...]:
    found: list[NodeDefinition] = []
    for key, value in reading.entries(node, "'nodes:'"):
        targets = _targets(reading, key)
        parsed = _node_value(reading, key, value)
        if targets is None or parsed is None:
            continue
        declared, expression = parsed
        if declared is not None and len(targets) > 1:
            hint = "give the type to one name; unpack in a node of its own"
            reading.error("G0116", "a type with several results", declared.span, hint=hint)
            continue
        found.append(NodeDefinition(targets, declared, expression))
    return tuple(found)


def _node_value(
    reading: Reading, key: YamlScalar, value: YamlNode
) -> tuple[TypeExpression | None, Expression] | None:
    if isinstance(value, YamlSequence):
        constant = reading.constant(value, f"'{key.text}'")
        return None if constant is None else (None, constant)
    scalar = reading.scalar(value, f"'{key.text}'", "an expression")
    return None if scalar is None else reading.attempt(parse_node, scalar)


def _targets(reading: Reading, key: YamlScalar) -> tuple[Label, ...] | None:
    """The names left of the colon; `_` skips a result."""
    if "(" in key.text:
        hint = "one-line functions stand under 'functions:'"
        reading.error("G0107", f"'{key.text}' cannot name a node", key.span, hint=hint)
        return None
    if "," not in key.text and key.text != "_":
        label = reading.key_name(key, "a node")
        return None if label is None else (label,)
    targets: list[Label] = []
    start = 0
    for part in key.text.split(","):
        text = part.strip()
        begin = start + len(part) - len(part.lstrip())
        start += len(part) + 1
        label = Label(text, key.at(begin, begin + len(text)))
        if text != "_" and reading.attempt(checked_name, label, "a result") is None:
            return None
        targets.append(label)
    if all(target.text == "_" for target in targets):
        reading.error("G0116", "a node that keeps no result", key.span, hint="name at least one result")
        return None
    return tuple(targets)


def _updates(reading: Reading, node: YamlNode) -> tuple[Update, ...]:
    return tuple(Update(b.name, b.expression) for b in reading.bindings(node, "'updates:'"))


def _check_updates(reading: Reading, block: Block) -> None:
    states = [declaration.name.text for declaration in block.state]
    for update in block.updates:
        if update.state.text not in states:
            hint = did_you_mean(update.state.text, states) or "declare it: 'state:' then 'name: type = start'"
            message = f"'{update.state.text}' is no state of this block"
            reading.error("G0112", message, update.state.span, hint=hint)


def _outputs(reading: Reading, node: YamlNode) -> tuple[OutputDeclaration, ...]:
    if isinstance(node, YamlMapping):
        found = _typed_outputs(reading, node)
    else:
        items = reading.items(node, "'outputs:'")
        found = [o for o in (_output(reading, item) for item in items) if o is not None]
    if (
        not found
        and isinstance(node, YamlSequence | YamlMapping)
        and not (node.items if isinstance(node, YamlSequence) else node.entries)
    ):
        reading.error("G0117", "'outputs:' is empty", node.span, hint="name at least one result")
    first: dict[str, Label] = {}
    for output in found:
        name = output.name
        if first.setdefault(name.text, name) is not name:
            message = f"the output '{name.text}' is given twice"
            hint = f"a node '{name.text}_2: {name.text}' makes a second name"
            reading.error("G0109", message, name.span, hint=hint, notes=first_note(first[name.text]))
    return tuple(found)


def _output(reading: Reading, item: YamlNode) -> OutputDeclaration | None:
    label = reading.text(item, "an output")
    if label is None:
        return None
    if not label.text.isidentifier():
        message = f"'outputs:' lists names, and '{label.text}' is none"
        reading.error("G0117", message, label.span, hint="give the expression a node and list its name")
        return None
    return OutputDeclaration(label)


def _typed_outputs(reading: Reading, node: YamlMapping) -> list[OutputDeclaration]:
    found: list[OutputDeclaration] = []
    for label, scalar in _texts(reading, node, "outputs", "an output"):
        declared = reading.attempt(parse_type, scalar)
        if declared is not None:
            found.append(OutputDeclaration(label, declared))
    return found


# --- functions ---


def read_functions(reading: Reading, node: YamlNode) -> tuple[Block, ...]:
    found: list[Block] = []
    for key, value in reading.entries(node, "'functions:'"):
        read = _one_line_function if "(" in key.text else _long_function
        block = read(reading, key, value)
        if block is not None:
            found.append(block)
    check_function_names(reading, found)
    return tuple(found)


def _long_function(reading: Reading, key: YamlScalar, value: YamlNode) -> Block | None:
    label = reading.key_name(key, "a function")
    if isinstance(value, YamlScalar):
        hint = f"write '{key.text}(x): …' with its inputs, or a mapping with 'inputs:', 'nodes:', 'outputs:'"
        reading.error("G0106", f"the function '{key.text}' must be a mapping", value.span, hint=hint)
        return None
    fields = reading.fields(value, FUNCTION_KEYS, f"the function '{key.text}'", key.span)
    if label is None or fields is None:
        return None
    return read_block(reading, label, fields, ())


def _one_line_function(reading: Reading, key: YamlScalar, value: YamlNode) -> Block | None:
    head = reading.attempt(parse_head, key)
    if head is not None and reading.attempt(checked_name, head.name, "a function") is None:
        head = None
    if not isinstance(value, YamlScalar):
        hint = "leave '(…)' out of the key, and give 'inputs:', 'nodes:', 'outputs:'"
        reading.error("G0106", "a one-line function's value is an expression", key.span, hint=hint)
        return None
    expression = reading.attempt(parse_expression, value)
    if head is None or expression is None:
        return None
    result = Label(_result_name(head.inputs, head.attributes), head.name.span)
    return Block(
        head.name,
        inputs=tuple(Declaration(label, None) for label in head.inputs),
        attributes=head.attributes,
        nodes=(NodeDefinition((result,), None, expression),),
        outputs=(OutputDeclaration(result),),
        one_line=True,
    )


def _result_name(inputs: tuple[Label, ...], attributes: tuple[AttributeDeclaration, ...]) -> str:
    """`result`, or `result_` where an argument is called so."""
    taken = {label.text for label in inputs} | {a.name.text for a in attributes}
    name = "result"
    while name in taken:
        name += "_"
    return name
