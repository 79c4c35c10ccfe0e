"""Documents as YAML text that reads back as the same document, up to spans."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping

from .core_scalars import core_text
from .documents import (
    ApproximationSection,
    Binding,
    Block,
    CertificateSection,
    DataDeclaration,
    Document,
    Label,
    OptimizerStep,
    PassStep,
    Recipe,
    TestCase,
    Training,
    Update,
)
from .expressions import Expression, ListOf, Name, Number, Subscript, Text, Unary
from .keys import FORMAT_VERSION
from .printing import (
    print_attribute,
    print_declaration,
    print_expression,
    print_head,
    print_node,
    print_signature,
    print_size,
    print_type,
)
from .yaml_nodes import YamlMapping, YamlNode, YamlScalar, YamlSequence

_UNSAFE_START = frozenset("[]{}\"'*&!%@`#|>,")
_UNSAFE = re.compile(r": |:$|\s#|^[-?:](?:\s|$)|^---|^\.\.\.|^\s|\s$")
_LONGEST_KEY = 1000  # YAML's limit for a key on one line is 1024
_YAML_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def render(document: Document) -> str:
    """The whole document as block-style YAML, in the customary order of keys."""
    if document.root is not None:
        assert isinstance(document.root, YamlNode)
        return "\n".join(_tree(document.root, 0)) + "\n"
    writer = _Writer()
    _header(writer, document)
    if document.recipe is not None:
        _recipe(writer, document.recipe)
    _use(writer, document)
    writer.section("sizes", ((size.name.text, plain(print_size(size))) for size in document.sizes))
    if document.body is not None:
        _block(writer, document.body)
    if document.functions:
        writer.put("functions:")
        with_indent = writer.deeper()
        for function in document.functions:
            _function(with_indent, function)
    if document.training is not None:
        _training(writer, document.training)
    if document.program is not None:
        _program(writer, document.program)
    if document.body is not None:
        _tests(writer, document.body.tests)
    return "\n".join(writer.lines) + "\n"


class _Writer:
    """Lines at one indent; `deeper` writes into the same lines, two blanks further in."""

    def __init__(self, lines: list[str] | None = None, indent: int = 0) -> None:
        self.lines = [] if lines is None else lines
        self.indent = " " * indent

    def put(self, line: str) -> None:
        self.lines.append(self.indent + line)

    def deeper(self, by: int = 2) -> _Writer:
        return _Writer(self.lines, len(self.indent) + by)

    def entry(self, key: str, value: str) -> None:
        """`key: value`, the value already in YAML."""
        written = plain(key)
        if len(written) > _LONGEST_KEY:
            self.put(f"? {written}")
            self.put(f": {value}")
        else:
            self.put(f"{written}: {value}")

    def section(self, name: str, entries: Iterable[tuple[str, str]]) -> None:
        listed = list(entries)
        if not listed:
            return
        self.put(f"{name}:")
        inner = self.deeper()
        for key, value in listed:
            inner.entry(key, value)

    def items(self, name: str, values: Iterable[str]) -> None:
        listed = list(values)
        if not listed:
            return
        self.put(f"{name}:")
        inner = self.deeper()
        for value in listed:
            inner.put(f"- {value}")


# --- scalars ---


def plain(text: str) -> str:
    """A text whose meaning the spec's own parsers decide: quoted only where YAML needs it."""
    if not text:
        return "''"
    if not text.isprintable():
        return _double_quoted(text)
    if text[0] in _UNSAFE_START or _UNSAFE.search(text):
        return "'" + text.replace("'", "''") + "'"
    return text


def string(text: str, indent: int = 0) -> str:
    """A text that must read back as a text: `2006.00010` and `true` are quoted."""
    if "\n" in text and _fits_literal(text):
        chomp = "" if text.endswith("\n") else "-"
        inner = " " * (indent + 2)
        body = text.removesuffix("\n").split("\n")
        return "\n".join([f"|{chomp}", *(inner + line if line else "" for line in body)])
    if text and not isinstance(core_text(text), str):
        return '"' + text + '"'
    return plain(text)


def _fits_literal(text: str) -> bool:
    lines = text.removesuffix("\n").split("\n")
    if not lines[0].strip() or lines[0][0] == " " or not lines[-1]:
        return False
    return all(line.isprintable() and line == line.rstrip() for line in lines)


def _double_quoted(text: str) -> str:
    return f'"{"".join(_yaml_escaped(character) for character in text)}"'


def _yaml_escaped(character: str) -> str:
    if character in _YAML_ESCAPES:
        return _YAML_ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02X}" if code < 256 else f"\\u{code:04X}" if code < 65536 else f"\\U{code:08X}"


def expression(found: Expression) -> str:
    """An expression as a YAML value; lists of numbers stay YAML lists."""
    constant = _constant(found) if isinstance(found, ListOf) else None
    return plain(print_expression(found)) if constant is None else constant


def _constant(found: ListOf) -> str | None:
    """A rectangular list of numbers in flow style, else None."""
    rows = [item for item in found.items if isinstance(item, ListOf)]
    if (rows and len(rows) != len(found.items)) or len({len(row.items) for row in rows}) > 1:
        return None
    parts = [_constant(item) if isinstance(item, ListOf) else _constant_item(item) for item in found.items]
    return None if None in parts else f"[{', '.join(part for part in parts if part is not None)}]"


def _constant_item(found: Expression) -> str | None:
    if isinstance(found, Unary) and found.operator == "-":
        inner = _constant_item(found.operand)
        return None if inner is None or inner.startswith("-") else f"-{inner}"
    if isinstance(found, Name) and found.name == "inf":
        return found.name
    if isinstance(found, Number) and math.isfinite(found.value):
        return print_expression(found)
    return None


def _bindings(found: Iterable[Binding]) -> Iterable[tuple[str, str]]:
    return ((binding.name.text, expression(binding.expression)) for binding in found)


def _updates(found: Iterable[Update]) -> Iterable[tuple[str, str]]:
    return ((update.state.text, expression(update.expression)) for update in found)


def _names(labels: Iterable[Label]) -> str:
    return f"[{', '.join(label.text for label in labels)}]"


# --- document ---


def _header(writer: _Writer, document: Document) -> None:
    writer.put(f"graphwright: {FORMAT_VERSION}")
    writer.put(f"kind: {document.kind}")
    writer.put(f"name: {string(document.name.text)}")
    if document.doc:
        writer.put(f"doc: {string(document.doc)}")
    writer.section("source", ((key, string(text, 2)) for key, text in document.provenance.items()))


def _use(writer: _Writer, document: Document) -> None:
    if any(use.prefix is not None for use in document.use):
        pairs = ((use.prefix.text, string(use.path.text)) for use in document.use if use.prefix is not None)
        writer.section("use", pairs)
    else:
        writer.items("use", (string(use.path.text) for use in document.use))


def _block(writer: _Writer, block: Block) -> None:
    """Everything of a graph or function except its name and tests."""
    if block.doc:
        writer.put(f"doc: {string(block.doc, len(writer.indent))}")
    writer.section(
        "attributes", ((a.name.text, _attribute(a.default, print_attribute(a))) for a in block.attributes)
    )
    writer.section("slots", ((s.name.text, plain(print_signature(s.signature))) for s in block.slots))
    for name, declarations in (
        ("inputs", block.inputs),
        ("parameters", block.parameters),
        ("state", block.state),
        ("noise", block.noise),
    ):
        writer.section(name, ((d.name.text, plain(print_declaration(d))) for d in declarations))
    writer.items("require", (plain(print_expression(r.expression)) for r in block.require))
    nodes = (
        (key, expression(node.expression) if node.type is None else plain(text))
        for node in block.nodes
        for key, text in (print_node(node),)
    )
    writer.section("nodes", nodes)
    writer.section("updates", _updates(block.updates))
    if any(output.type is not None for output in block.outputs):
        typed = ((o.name.text, plain(print_type(o.type))) for o in block.outputs if o.type is not None)
        writer.section("outputs", typed)
    elif block.outputs:
        writer.put(f"outputs: {_names(output.name for output in block.outputs)}")


def _attribute(default: Expression | None, text: str) -> str:
    if isinstance(default, ListOf) and text.startswith("["):
        return expression(default)
    return plain(text)


def _function(writer: _Writer, function: Block) -> None:
    if function.one_line:
        writer.entry(print_head(function), plain(print_expression(function.nodes[0].expression)))
        return
    writer.put(f"{function.name.text}:")
    inner = writer.deeper()
    _block(inner, function)
    _tests(inner, function.tests)


# --- tests ---


def _tests(writer: _Writer, tests: tuple[TestCase, ...]) -> None:
    if not tests:
        return
    writer.put("tests:")
    for case in tests:
        writer.deeper().put(f"- name: {string(case.name, len(writer.indent) + 4)}")
        _test(writer.deeper(4), case)


def _test(writer: _Writer, case: TestCase) -> None:
    for name in ("sizes", "inputs", "attributes", "parameters", "state", "noise", "slots", "let"):
        writer.section(name, _bindings(getattr(case, name)))
    if case.training:
        writer.put("training: true")
    if case.seed:
        writer.put(f"seed: {case.seed}")
    writer.section("tolerance", ((key, repr(value)) for key, value in case.tolerance.items()))
    writer.items("backends", map(string, case.backends))
    writer.items("expect", (plain(print_expression(e)) for e in case.expect))
    if case.expect_error is not None:
        writer.put(f"expect_error: {case.expect_error}")


# --- training ---


def _training(writer: _Writer, training: Training) -> None:
    writer.put("training:")
    inner = writer.deeper()
    if training.data is not None:
        _data(inner, training.data)
    _steps(inner, training.alternate)
    for name in ("epochs", "steps", "batch", "clip_norm"):
        value = getattr(training, name)
        if value is not None:
            inner.put(f"{name}: {value!r}")
    if training.seed:
        inner.put(f"seed: {training.seed}")
    if training.freeze:
        inner.put(f"freeze: {_names(training.freeze)}")
    if training.quantize is not None:
        inner.section("quantize", ((n, flow(v)) for n, v in training.quantize.items()))
    inner.section("after_step", _updates(training.after_step))
    inner.section("metrics", _bindings(training.metrics))


def _data(writer: _Writer, data: DataDeclaration) -> None:
    if not data.validation and not data.bind:
        writer.put(f"data: {string(data.source.text)}")
        return
    writer.put("data:")
    inner = writer.deeper()
    inner.put(f"source: {string(data.source.text)}")
    if data.validation:
        inner.put(f"validation: {data.validation!r}")
    inner.section("bind", _bindings(data.bind))


def _steps(writer: _Writer, steps: tuple[OptimizerStep, ...]) -> None:
    if len(steps) == 1:
        _step(writer, steps[0])
        return
    writer.put("alternate:")
    for step in steps:
        lines = _Writer(indent=len(writer.indent) + 4)
        _step(lines, step)
        lines.lines[0] = f"{writer.indent}  - {lines.lines[0].lstrip()}"
        writer.lines.extend(lines.lines)


def _step(writer: _Writer, step: OptimizerStep) -> None:
    writer.put(f"loss: {step.loss.text}")
    if step.optimizer is not None:
        writer.put(f"optimizer: {plain(print_expression(step.optimizer))}")
    if step.groups:
        writer.put("optimizer:")
        for labels, call in step.groups:
            writer.deeper().put(f"- parameters: {_names(labels)}")
            writer.deeper(4).put(f"optimizer: {plain(print_expression(call))}")
    if step.parameters:
        writer.put(f"parameters: {_names(step.parameters)}")


# --- recipes ---


def _recipe(writer: _Writer, recipe: Recipe) -> None:
    writer.section("data", ((b.name.text, plain(_source(b.expression))) for b in recipe.data))
    if recipe.passes:
        writer.put("passes:")
        for step in recipe.passes:
            _pass(writer.deeper(), step)
    else:
        writer.put("passes: []")
    writer.section("metrics", _bindings(recipe.metrics))
    writer.items("budget", (plain(print_expression(e)) for e in recipe.budget))
    if recipe.verify != "each":
        writer.put(f"verify: {recipe.verify}")


def _program(writer: _Writer, program: ApproximationSection) -> None:
    writer.put("program:")
    inner = writer.deeper()
    inner.entry("function", program.function.text)
    inner.entry("domain", f"[{', '.join(bound_text(b) for b in program.domain)}]")
    inner.entry("error", program.error)
    if program.reduction:
        inner.entry("reduction", string(program.reduction, 2))
    inner.section("special", ((k, plain(v)) for k, v in program.special))
    inner.section("cost", ((k, str(v)) for k, v in program.cost))
    inner.section("provenance", ((k, plain(v)) for k, v in program.provenance))
    if program.certificates:
        inner.put("certificates:")
    for certificate in program.certificates:
        entries = _certificate(certificate)
        inner.put(f"  - {next(entries)}")
        for entry in entries:
            inner.put(f"    {entry}")


def _certificate(found: CertificateSection) -> Iterator[str]:
    yield f"kind: {found.kind}"
    yield f"arithmetic: {found.arithmetic}"
    yield f"bound: {found.bound!r}"
    if found.worst is not None:
        yield f"worst: {bound_text(found.worst)}"
    if found.inputs is not None:
        yield f"inputs: {found.inputs}"
    if found.method:
        yield f"method: {string(found.method)}"
    if found.tools:
        yield "tools:"
        yield from (f"  {key}: {plain(text)}" for key, text in found.tools)
    yield f"digest: {string(found.digest.text)}"


def bound_text(value: float) -> str:
    """A bound as `domain:` takes it: short where decimals are exact, else a hexadecimal float."""
    if math.isinf(value) or (value == int(value) and abs(value) < 1e6):
        return f"{value:g}"
    return repr(value) if len(repr(value)) <= 8 else f"hex('{value.hex()}')"


def _source(found: Expression) -> str:
    """A data source: a file's path is written as it is, with its slice."""
    if isinstance(found, Text):
        return found.value
    if isinstance(found, Subscript) and isinstance(found.base, Text):
        rows = Subscript(found.span, Name(found.span, "_"), found.items)
        return found.base.value + print_expression(rows)[1:]
    return print_expression(found)


def _pass(writer: _Writer, step: PassStep) -> None:
    if not step.options and step.data is None and not step.budget:
        writer.put(f"- {string(step.name.text)}")
        return
    writer.put(f"- {plain(step.name.text)}:")
    inner = writer.deeper(4)
    for name, value in step.options.items():
        inner.put(f"{plain(name)}: {flow(value)}")
    if step.data is not None:
        inner.put(f"data: {step.data.text}")
    inner.items("budget", (plain(print_expression(e)) for e in step.budget))


def flow(value: object) -> str:
    """Plain data in flow style."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list):
        return f"[{', '.join(map(flow, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flow_text(key)}: {flow(item)}" for key, item in value.items()) + "}"
    return _flow_text(str(value))


_FLOW_SAFE = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*\Z")
_FLOW_WORDS = frozenset(("null", "none", "true", "false", "inf", "nan"))


def _flow_text(text: str) -> str:
    if _FLOW_SAFE.match(text) and text.lower() not in _FLOW_WORDS:
        return text
    return _double_quoted(text)


# --- node trees of other kinds ---


def _tree(node: YamlNode, indent: int) -> list[str]:
    """A node tree in block style, its scalars of the same meaning."""
    blanks = " " * indent
    lines: list[str] = []
    if isinstance(node, YamlMapping):
        for key, value in node.entries:
            lines.extend(_tree_entry(f"{blanks}{_tree_scalar(key)}:", value, indent))
    elif isinstance(node, YamlSequence):
        for item in node.items:
            lines.extend(_tree_entry(f"{blanks}-", item, indent))
    return lines


def _tree_entry(head: str, value: YamlNode, indent: int) -> list[str]:
    if isinstance(value, YamlScalar):
        return [f"{head} {_tree_scalar(value)}".rstrip()]
    inner = _tree(value, indent + 2)
    if not inner:
        return [f"{head} {'{}' if isinstance(value, YamlMapping) else '[]'}"]
    return [head, *inner]


def _tree_scalar(scalar: YamlScalar) -> str:
    if scalar.tag is not None and scalar.tag != "str":
        return f"!!{scalar.tag} {plain(scalar.text)}"
    if scalar.tag == "str" or scalar.style:
        return _double_quoted(scalar.text)
    return scalar.text if "\n" not in scalar.text else plain(scalar.text)
