"""Each name once (R5): values of a block share one namespace, functions and slots another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..diagnostics import Span
from .documents import Block, Label, SizeDeclaration
from .expressions import Expression, Name
from .reading import Reading, first_note
from .static_rules import children


def check_block_names(reading: Reading, block: Block, sizes: tuple[SizeDeclaration, ...]) -> None:
    """Reports (G0109) values of one block that share a name, and values named like a dimension."""
    first: dict[str, Label] = {}
    clashes: list[tuple[Label, Label]] = []
    for label in _value_names(block, sizes):
        other = first.setdefault(label.text, label)
        if other is not label:
            clashes.append(_in_order(other, label))
    compile_time = {s.name.text for s in sizes} | {a.name.text for a in block.attributes}
    for label in _dimension_names(block):
        clash = first.get(label.text)
        if clash is not None and clash.text not in compile_time:
            clashes.append(_in_order(clash, label))
            compile_time.add(label.text)
    for early, late in clashes:
        reading.error("G0109", f"the name '{late.text}' is given twice", late.span, notes=first_note(early))


def check_function_names(reading: Reading, functions: Iterable[Block], slots: Iterable[Label] = ()) -> None:
    """Reports (G0109) functions and slots of one file that share a name."""
    first: dict[str, Label] = {label.text: label for label in slots}
    for function in functions:
        other = first.setdefault(function.name.text, function.name)
        if other is not function.name:
            early, late = _in_order(other, function.name)
            reading.error(
                "G0109", f"the function '{late.text}' is given twice", late.span, notes=first_note(early)
            )


def _in_order(one: Label, other: Label) -> tuple[Label, Label]:
    def place(span: Span) -> tuple[int, int]:
        return span.line, span.column

    return (one, other) if place(one.span) <= place(other.span) else (other, one)


def _value_names(block: Block, sizes: tuple[SizeDeclaration, ...]) -> Iterator[Label]:
    for size in sizes:
        yield size.name
    for attribute in block.attributes:
        yield attribute.name
    for declarations in (block.inputs, block.parameters, block.state, block.noise):
        for declaration in declarations:
            yield declaration.name
    for node in block.nodes:
        for target in node.targets:
            if target.text != "_":
                yield target


def _dimension_names(block: Block) -> Iterator[Label]:
    """Names in the dimensions of inputs and slots, which may introduce them (R4)."""
    for declaration in block.inputs:
        if declaration.type is not None:
            yield from _names(declaration.type.dims)
    for slot in block.slots:
        for declared in slot.signature.inputs:
            yield from _names(declared.dims)


def _names(expressions: Iterable[Expression]) -> Iterator[Label]:
    stack = list(expressions)
    while stack:
        found = stack.pop()
        if isinstance(found, Name):
            if found.name != "_":
                yield Label(found.name, found.span)
        else:
            stack.extend(children(found))


def dimension_names(block: Block) -> frozenset[str]:
    """The names that the block's inputs and slots use as dimensions."""
    return frozenset(label.text for label in _dimension_names(block))
