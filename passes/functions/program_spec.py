"""Specs to function programs and back: a graph over one input with a `program:` section."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter
from pathlib import Path

from ...graph.diagnostics import Diagnostics, Span, SpecError, did_you_mean, fail
from ...graph.spec import expressions as ex
from ...graph.spec.documents import Block, Document, NodeDefinition
from ...graph.spec.printing import print_expression
from ...graph.spec.reader import read_document
from ...graph.spec.yaml_writer import bound_text, plain, string
from .constants import FLOATS, Constant, constant
from .program import INPUT, OPERATIONS, Certificate, FunctionProgram, Operand, Step

_BINARY = {op.form: name for name, op in OPERATIONS.items() if op.arity == 2 and not op.form.isalpha()}
_CALLS = {
    op.form: name for name, op in OPERATIONS.items() if op.form.isalpha() and name not in ("and", "or", "not")
}
_CALLS.pop("cast")
_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
_NAMED = {"inf": Constant("inf"), "nan": Constant("nan")}
IEEE = "functions/ieee.yaml"


def load_program(path: str | Path) -> FunctionProgram:
    """The program in a spec. Raises SpecError: the file's own mistakes, G1512 to G1515."""
    return program_of(read_document(str(path)))


def program_of(document: Document) -> FunctionProgram:
    """The program that a document states. Raises SpecError (G1512 to G1515) with every diagnostic."""
    section, body = document.program, document.body
    if section is None or body is None:
        hint = "function programs have a section 'program:' with function, domain and error"
        raise fail("G1512", f"'{document.source.path}' is no function program", document.name.span, hint=hint)
    dtype = _input_dtype(body)
    steps = _Steps(body, dtype)
    result, made, tables = steps.read()
    certificates = tuple(
        Certificate(c.kind, c.bound, c.arithmetic, c.method, c.worst, c.inputs, c.tools, c.digest.text)
        for c in section.certificates
    )
    return FunctionProgram(
        document.name.text,
        section.function.text,
        dtype,
        section.domain,
        section.error,
        made,
        result,
        tables,
        document.doc,
        section.reduction,
        section.special,
        certificates,
        section.provenance,
        tuple(document.provenance.items()),
    )


def _input_dtype(body: Block) -> str:
    given = body.inputs
    if len(given) != 1 or given[0].name.text != INPUT or given[0].type is None:
        span = given[0].name.span if given else body.name.span
        raise fail("G1512", "a function program has the one input 'x'", span, hint="write 'x: float32[...]'")
    if given[0].type.dtype not in FLOATS:
        hint = did_you_mean(given[0].type.dtype, FLOATS) or f"one of {' '.join(FLOATS)}"
        span = given[0].type.dtype_span
        raise fail("G1512", f"a function program takes no {given[0].type.dtype}", span, hint=hint)
    others = [d.name for d in (*body.parameters, *body.state, *body.noise)]
    others += [slot.name for slot in body.slots] + [a.name for a in body.attributes]
    if others:
        message = "a function program has no parameters, state, noise, slots or attributes"
        raise fail("G1512", message, others[0].span, hint="make it a constant: hex('0x1.8p+1')")
    if len(body.outputs) != 1:
        raise fail("G1512", "a function program has one output", body.outputs[1].name.span)
    return given[0].type.dtype


@dataclass
class _Steps:
    """The steps of a block's nodes, in an order in which they can be computed."""

    body: Block
    dtype: str
    made: list[Step] = field(default_factory=list)
    meanings: dict[str, Operand] = field(default_factory=dict)
    tables: dict[str, tuple[float, ...]] = field(default_factory=dict)
    diagnostics: Diagnostics = field(default_factory=Diagnostics)

    def read(self) -> tuple[str, tuple[Step, ...], dict[str, tuple[float, ...]]]:
        self.meanings[INPUT] = INPUT
        nodes = {n.targets[0].text: n for n in self.body.nodes}
        for name in self._order(nodes):
            try:
                self._node(name, nodes[name])
            except SpecError as error:
                self.diagnostics.extend(error)
                break
        self.diagnostics.raise_if_errors()
        output = self.body.outputs[0].name
        found = self.meanings.get(output.text)
        if not isinstance(found, str):
            raise fail("G1513", f"the output '{output.text}' does not depend on x", output.span)
        return found, _needed(self.made, found), self.tables

    def _order(self, nodes: Mapping[str, NodeDefinition]) -> list[str]:
        sorter: TopologicalSorter[str] = TopologicalSorter()
        for name, node in nodes.items():
            sorter.add(name, *(m for m in _names(node.expression) if m in nodes and m != name))
        return list(sorter.static_order())

    def _node(self, name: str, node: NodeDefinition) -> None:
        if len(node.targets) > 1:
            raise fail("G1513", "an operation of a program has one result", node.targets[1].span)
        if isinstance(node.expression, ex.ListOf):
            self.tables[name] = tuple(_number(item) for item in node.expression.items)
            self.meanings[name] = name
            return
        self.meanings[name] = self.operand(node.expression, name)

    def operand(self, found: ex.Expression, name: str = "") -> Operand:
        """What an expression is: a constant, or the step that it becomes."""
        if isinstance(found, ex.Name):
            return self._named(found)
        literal = _literal(found)
        if literal is not None:
            return literal
        if isinstance(found, ex.Unary):
            inner = self.operand(found.operand)
            if found.operator == "-" and isinstance(inner, Constant):
                return inner.negated()
            return self._step({"-": "neg", "not": "not"}.get(found.operator, ""), found, (inner,), name)
        if isinstance(found, ex.Binary):
            operation = _BINARY.get(found.operator, "")
            operands = (self.operand(found.left), self.operand(found.right))
            return self._step(operation, found, operands, name, found.operator_span)
        if isinstance(found, ex.Comparison):
            return self._comparison(found, name)
        if isinstance(found, ex.Logical):
            first, *rest = [self.operand(o) for o in found.operands]
            for i, other in enumerate(rest):
                label = name if i == len(rest) - 1 else ""
                first = self._step(found.operator, found, (first, other), label)
            return first
        if isinstance(found, ex.Call):
            return self._call(found, name)
        raise fail("G1513", f"'{print_expression(found)}' is no operation of function programs", found.span)

    def _named(self, found: ex.Name) -> Operand:
        meaning = _NAMED.get(found.name) or self.meanings.get(found.name)
        if meaning is None:
            hint = did_you_mean(found.name, self.meanings)
            raise fail("G1513", f"unknown name '{found.name}'", found.span, hint=hint)
        return meaning

    def _comparison(self, found: ex.Comparison, name: str) -> Operand:
        operands = [self.operand(o) for o in found.operands]
        parts: list[Operand] = []
        for i, operator in enumerate(found.operators):
            if operator not in _COMPARISONS:
                raise fail("G1513", f"'{operator}' is no operation of function programs", found.span)
            label = name if len(found.operators) == 1 else ""
            parts.append(self._step(_BINARY[operator], found, (operands[i], operands[i + 1]), label))
        first = parts[0]
        for i, part in enumerate(parts[1:], 2):
            first = self._step("and", found, (first, part), name if i == len(parts) else "")
        return first

    def _call(self, found: ex.Call, name: str) -> Operand:
        called = found.function.name if isinstance(found.function, ex.Name) else ""
        if called in FLOATS and len(found.arguments) == 1:
            return self._step("cast", found, (self.operand(found.arguments[0]),), name, dtype=called)
        operation = _CALLS.get(called)
        if operation is None:
            hint = (
                did_you_mean(called, [*_CALLS, *FLOATS]) or f"they are + - * / {' '.join(_CALLS)} and dtypes"
            )
            raise fail("G1513", f"'{called}' is no operation of function programs", found.span, hint=hint)
        operands = [self.operand(a) for a in found.arguments]
        if operation in ("exponent", "significand"):
            low = [self.operand(k.value) for k in found.keywords if k.name == "low"]
            operands += low or [constant(1.0)] * (len(operands) == 1)
        elif found.keywords:
            raise fail("G1513", f"'{called}' takes no keywords", found.keywords[0].span)
        return self._step(operation, found, tuple(operands), name)

    def _step(
        self,
        operation: str,
        found: ex.Expression,
        operands: tuple[Operand, ...],
        name: str,
        span: Span | None = None,
        dtype: str = "",
    ) -> str:
        if operation not in OPERATIONS:
            raise fail(
                "G1513", f"'{print_expression(found)}' is no operation of programs", span or found.span
            )
        wanted = OPERATIONS[operation].arity
        if len(operands) != wanted:
            message = f"'{OPERATIONS[operation].form}' takes {wanted} operands, not {len(operands)}"
            raise fail("G1513", message, found.span)
        name = name or self._fresh()
        used = self._dtype(operation, operands, found)
        kind = {"bool": "bool", "cast": dtype}.get(OPERATIONS[operation].result, used)
        if operation == "where" or used != "bool":
            self._check_constants(operands, kind if operation == "where" else used, found)
        self.made.append(Step(name, operation, operands, kind))
        return name

    def _dtype(self, operation: str, operands: tuple[Operand, ...], found: ex.Expression) -> str:
        """The one dtype of the operands that have one."""
        dtypes = {s.name: s.dtype for s in self.made} | {INPUT: self.dtype}
        given = operands[1:] if operation in ("where", "lookup") else operands
        known = {dtypes[o] for o in given if isinstance(o, str) and o in dtypes}
        if not known and operation == "where":
            return self.dtype
        if len(known) != 1:
            message = (
                f"the operands are {' and '.join(sorted(known))}"
                if known
                else f"'{print_expression(found)}' does not depend on x"
            )
            hint = "convert one: float32(…)" if known else "write the number"
            raise fail("G1513", message, found.span, hint=hint)
        return known.pop()

    def _check_constants(self, operands: tuple[Operand, ...], dtype: str, found: ex.Expression) -> None:
        """Only float64 programs hold constants of more digits than the dtype: those that are also certified
        in real arithmetic."""
        for operand in operands:
            if isinstance(operand, Constant) and dtype not in ("float64", "bool") and not operand.fits(dtype):
                hint = f"the nearest is hex('{operand.rounded(dtype).hex()}')"
                raise fail("G1514", f"{operand.text} is no {dtype}", found.span, hint=hint)

    def _fresh(self) -> str:
        taken = {s.name for s in self.made} | {t.text for n in self.body.nodes for t in n.targets}
        number = len(self.made) + 1
        while f"t{number}" in taken:
            number += 1
        return f"t{number}"


def _needed(made: list[Step], result: str) -> tuple[Step, ...]:
    """The steps that the result needs, operands first: an order that does not depend on the file's."""
    by_name = {step.name: step for step in made}
    done: dict[str, Step] = {}
    waiting = [result]
    while waiting:
        step = by_name[waiting[-1]]
        missing = [o for o in step.operands if isinstance(o, str) and o in by_name and o not in done]
        if missing:
            waiting.extend(reversed(missing))
        else:
            done[waiting.pop()] = step
    return tuple(done.values())


def _names(found: object) -> set[str]:
    """The names in an expression."""
    if isinstance(found, ex.Name):
        return {found.name}
    if isinstance(found, ex.Call):
        return set().union(*map(_names, found.arguments), *(_names(k.value) for k in found.keywords))
    if isinstance(found, ex.Unary):
        return _names(found.operand)
    if isinstance(found, ex.Binary):
        return _names(found.left) | _names(found.right)
    if isinstance(found, ex.Comparison | ex.Logical):
        return set().union(*map(_names, found.operands))
    return set()


def _literal(found: ex.Expression) -> Constant | None:
    if isinstance(found, ex.Number):
        return constant(float(found.value))
    is_hex = (
        isinstance(found, ex.Call) and isinstance(found.function, ex.Name) and found.function.name == "hex"
    )
    if not is_hex:
        return None
    assert isinstance(found, ex.Call)
    text = found.arguments[0] if len(found.arguments) == 1 else None
    if not isinstance(text, ex.Text):
        raise fail("G0501", "hex takes one text", found.span, hint="hex('0x1.8p+1')")
    try:
        exact = Constant(text.value).exact
    except ValueError:
        message = f"'{text.value}' is no hexadecimal float"
        raise fail("G0504", message, text.span, hint="such as 0x1.8p+1") from None
    return constant(-0.0 if exact == 0 and text.value[0] == "-" else exact)


def _number(item: ex.Expression) -> float:
    if isinstance(item, ex.Unary) and item.operator == "-":
        return -_number(item.operand)
    if isinstance(item, ex.Number):
        return float(item.value)
    raise fail("G1513", "a table holds numbers", item.span)


# --- writing ----------------------------------------------------------------------------------------------


def with_certificates(program: FunctionProgram, *certificates: Certificate) -> FunctionProgram:
    """The program with these certificates in place of its own, their digests made."""
    sealed = tuple(replace(c, digest=program.digest(c)) for c in certificates)
    return replace(program, certificates=sealed)


def spec_text(program: FunctionProgram) -> str:
    """The program as a spec that reads back as the same program."""
    lines = ["graphwright: 1", "kind: graph", f"name: {program.name}"]
    if program.doc:
        lines.append(f"doc: {string(program.doc)}")
    lines += _section("source", program.source, "")
    if any(OPERATIONS[s.operation].form in ("fma", *_IEEE_CALLS) for s in program.steps):
        lines.append(f"use: [{IEEE}]")
    lines += ["inputs:", f"  {INPUT}: {program.dtype}[...]", "nodes:"]
    lines += [f"  {name}: [{', '.join(map(repr, values))}]" for name, values in program.tables.items()]
    lines += [f"  {step.name}: {plain(_form(step))}" for step in program.steps]
    lines += [f"outputs: [{program.result}]", "program:", f"  function: {program.function}"]
    lines.append(f"  domain: [{', '.join(map(bound_text, program.domain))}]")
    lines.append(f"  error: {program.error}")
    if program.reduction:
        lines.append(f"  reduction: {string(program.reduction, 2)}")
    lines += _section("special", program.special)
    lines += _section("cost", tuple((k, str(v)) for k, v in program.cost.items()))
    lines += _section("provenance", program.provenance)
    lines += ["  certificates:"] * bool(program.certificates)
    for certificate in program.certificates:
        lines += _certificate_lines(certificate)
    return "\n".join(lines) + "\n"


_IEEE_CALLS = ("alternate", "copysign", "ldexp", "exponent", "significand", "lookup")


def _section(name: str, entries: tuple[tuple[str, str], ...], indent: str = "  ") -> list[str]:
    if not entries:
        return []
    return [f"{indent}{name}:", *(f"{indent}  {key}: {plain(value)}" for key, value in entries)]


def _certificate_lines(found: Certificate) -> list[str]:
    lines = [f"kind: {found.kind}", f"arithmetic: {found.arithmetic}", f"bound: {found.bound!r}"]
    if found.worst is not None:
        lines.append(f"worst: {bound_text(found.worst)}")
    if found.inputs is not None:
        lines.append(f"inputs: {found.inputs}")
    if found.method:
        lines.append(f"method: {string(found.method, 6)}")
    if found.tools:
        lines += ["tools:", *(f"  {key}: {plain(value)}" for key, value in found.tools)]
    lines.append(f"digest: {string(found.digest)}")
    return [f"    - {lines[0]}", *(f"      {line}" for line in lines[1:])]


def _form(step: Step) -> str:
    """The step as an expression."""
    operands = [_operand(o) for o in step.operands]
    form = OPERATIONS[step.operation].form
    if step.operation == "cast":
        return f"{step.dtype}({operands[0]})"
    if step.operation in ("exponent", "significand"):
        return f"{form}({operands[0]}, low={operands[1]})"
    if form.isalpha() and form not in ("and", "or", "not"):
        return f"{form}({', '.join(operands)})"
    if len(operands) == 1:
        return f"{form} {operands[0]}" if form == "not" else f"{form}{operands[0]}"
    return f"{operands[0]} {form} {operands[1]}"


def _operand(found: Operand) -> str:
    if isinstance(found, str):
        return found
    if not found.is_finite:
        return found.text
    size = found.exact
    if size.denominator == 1 and abs(size) < 1000 and not (size == 0 and found.text[0] == "-"):
        return str(size.numerator)
    return f"hex('{found.text}')"
