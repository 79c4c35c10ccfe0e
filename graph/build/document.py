"""A graph document to a Program: the graph's own frame, its variants, and what they reach (R6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..diagnostics import SpecError, did_you_mean, fail
from ..ir import DOMAIN_KINDS, Domain, Graph, Program, Size, Value, Weights, collector_paused, topological
from ..spec import expressions as ex
from ..spec.documents import Declaration, Document
from ..spec.resolution import Resolution
from ..types import Dim, Dimension, DType, TensorType
from ..types.dimensions import symbol_name
from .calls import check_requirements
from .construction import Construction
from .evaluation import evaluate, lookup, single
from .files import Settings, check_settings, scope_of
from .meanings import FunctionValue, Meaning, Results, Tensor, is_tensor_like, kind_name
from .scope import FileScope, Frame
from .signatures import declared_type, fit
from .updates import collect_updates


@dataclass(frozen=True)
class Unit:
    """A document ready to build: parsed, with what it uses, and what the user fixed."""

    document: Document
    resolution: Resolution
    settings: Settings = field(default_factory=Settings)
    default_float: DType | None = None


def new_construction(unit: Unit) -> Construction:
    """An empty build for the unit."""
    build = Construction()
    if unit.default_float is not None:
        build.default_float = unit.default_float
    return build


def open_graph(build: Construction, unit: Unit, training: bool) -> Frame:
    """The graph's frame, its inputs made leaves. Raises SpecError."""
    document = unit.document
    if document.body is None:
        raise fail("G1302", f"'{document.source.path}' is a {document.kind}, not a graph", document.name.span)
    file = scope_of(build, document, unit.resolution, unit.settings)
    frame = graph_frame(file, training)
    missing = [
        a for a in document.body.attributes if a.name.text not in file.attributes and a.default is None
    ]
    if missing:
        raise fail(
            "G0513",
            f"the graph needs the attribute '{missing[0].name.text}'",
            missing[0].name.span,
            hint=f"--set {missing[0].name.text}=…",
        )
    bind_inputs(build, frame, unit.settings)
    check_settings(file, unit.settings, frozenset(frame.dims))
    build.frames.append(frame)
    frame.run.root = frame
    frame.run.frames.append(frame)
    check_requirements(build, frame)
    return frame


def graph_frame(file: FileScope, training: bool) -> Frame:
    """A frame of a file's graph, with nothing bound but its attributes."""
    body = file.document.body
    assert body is not None
    frame = Frame(body, file, "", training, values=dict(file.attributes), is_graph=True)
    frame.definitions = {t.text: n for n in body.nodes for t in n.targets if t.text != "_"}
    return frame


def bind_inputs(
    build: Construction, frame: Frame, settings: Settings, given: Mapping[str, Meaning] | None = None
) -> None:
    """Makes the graph's inputs: leaves, or the values `given` for them."""

    limits = size_limits(build, frame)

    def introduce(name: str) -> Dimension:
        if name not in frame.dims:
            fixed = settings.sizes.get(name)
            frame.dims[name] = fixed if fixed is not None else build.introduce(name, limits.get(name))
        return frame.dims[name]

    supplied = dict(given or {})
    for declaration in frame.block.inputs:
        name = declaration.name.text
        if declaration.optional and name not in settings.optional and supplied.get(name) is None:
            frame.values[name] = None
        elif supplied.get(name) is not None:
            assert declaration.type is not None
            what = f"input '{name}'"
            frame.values[name] = fit(
                build, frame, declaration.type, supplied[name], what, declaration.name.span
            )
        else:
            frame.values[name] = Tensor(_input(build, frame, declaration, introduce))


def size_limits(build: Construction, frame: Frame) -> dict[str, Size]:
    """The ranges that the graph's `require:` states plainly (`T <= longest`, `N >= 2`), known
    before the inputs introduce the sizes, so that `table[:T]` has length T."""
    limits: dict[str, Size] = {}
    for requirement in frame.block.require:
        condition = requirement.expression
        if not isinstance(condition, ex.Comparison) or len(condition.operators) != 1:
            continue
        left, right = condition.operands
        if isinstance(left, ex.Name) and condition.operators[0] in ("<=", "<", ">=", ">"):
            bound = _known_number(build, frame, right)
            if bound is not None:
                limits[left.name] = _limited(limits.get(left.name, Size()), condition.operators[0], bound)
    return limits


def _known_number(build: Construction, frame: Frame, expression: ex.Expression) -> int | None:
    """The number, where the expression is one before any input is known."""
    try:
        meaning = evaluate(build, frame, expression)
    except SpecError:
        return None
    return meaning if isinstance(meaning, int) and not isinstance(meaning, bool) else None


def _limited(size: Size, operator: str, bound: int) -> Size:
    if operator in ("<=", "<"):
        high = bound if operator == "<=" else bound - 1
        return Size(size.low, high if size.high is None else min(high, size.high))
    return Size(max(size.low, bound if operator == ">=" else bound + 1), size.high)


def _input(
    build: Construction, frame: Frame, declaration: Declaration, introduce: Callable[[str], Dimension]
) -> Value:
    name = declaration.name.text
    assert declaration.type is not None
    written = declaration.type
    if frame.file.document.program is not None:
        written = _with_one_dimension(written)
    with build.at(declaration.name.span):
        type_ = declared_type(build, frame, written, introduce, lambda other: _input_type(frame, other))
        value = build.add_leaf("Input", name, type_)
        for axis, dim in enumerate(type_.shape):
            known = symbol_name(dim)
            if known is not None:
                build.define_size(known, value, axis)
        _solve_sizes(build, value)
        if declaration.domain is not None:
            build.domains[name] = _domain(build, frame, declaration)
    return value


def _with_one_dimension(written: ex.TypeExpression) -> ex.TypeExpression:
    """A function program takes any shape where it is called; built by itself its `...` is one dimension."""
    dims = tuple(ex.Name(d.span, "n") if isinstance(d, ex.Ellipsis) else d for d in written.dims)
    return replace(written, dims=dims)


def _input_type(frame: Frame, name: str) -> TensorType:
    found = frame.values.get(name)
    if not isinstance(found, Tensor):
        raise fail("G0301", f"like({name}) needs an input declared before", frame.block.name.span)
    return found.type


def _solve_sizes(build: Construction, value: Value) -> None:
    """A size that stands in a composite dimension only, such as 2*n: n = length // 2."""
    from ..types.dimensions import substitute

    for axis, dim in enumerate(value.tensor.shape):
        if not isinstance(dim, Dim) or symbol_name(dim) is not None or len(dim.symbols) != 1:
            continue
        (name,) = dim.symbols
        offset, slope = substitute(dim, {name: 0}), substitute(dim, {name: 1})
        if name in build.size_values or not isinstance(offset, int) or not isinstance(slope, int):
            continue
        step = slope - offset
        if step > 0 and substitute(dim, {name: 2}) == offset + 2 * step:
            length = build.op("Gather", build.op("Shape", value), build.constant(axis), axis=0)
            shifted = build.op("Sub", length, build.constant(offset)) if offset else length
            build.size_values[name] = build.op("Div", shifted, build.constant(step)) if step > 1 else shifted


def _domain(build: Construction, frame: Frame, declaration: Declaration) -> Domain:
    domain = declaration.domain
    if isinstance(domain, ex.RangeDomain):
        low, high = (_bound(build, frame, e) for e in (domain.low, domain.high))
        return Domain("range", low, high)
    assert isinstance(domain, ex.KindDomain)
    if domain.kind not in DOMAIN_KINDS:
        hint = did_you_mean(domain.kind, DOMAIN_KINDS) or f"one of {', '.join(sorted(DOMAIN_KINDS))}"
        raise fail("G1344", f"there is no domain '{domain.kind}'", domain.span, hint=hint)
    arguments = tuple(float(str(_bound(build, frame, a))) for a in domain.arguments)
    return Domain(domain.kind, arguments=arguments)


def _bound(build: Construction, frame: Frame, expression: ex.Expression) -> Dimension | float:
    meaning = evaluate(build, frame, expression)
    if isinstance(meaning, int | float | Dim) and not isinstance(meaning, bool):
        return meaning
    raise fail("G0408", f"a bound of a domain is a number, not {kind_name(meaning)}", expression.span)


# --- programs ---------------------------------------------------------------------------------------------


def build_program(unit: Unit, variant: str = "infer", wanted: Sequence[str] | None = None) -> Program:
    """The program of a variant. `wanted` names the results (by default the outputs, and for
    "train" the losses). Raises SpecError."""
    with collector_paused():
        build = new_construction(unit)
        frame = open_graph(build, unit, variant == "train")
        names = list(wanted) if wanted is not None else result_names(unit.document, variant)
        outputs = {n: output_value(build, frame, n) for n in names}
        updates = collect_updates(build, frame.run.frames)
        return finish(build, frame, outputs, updates, variant)


def result_names(document: Document, variant: str) -> list[str]:
    """What a variant computes: the outputs, or the losses of training."""
    assert document.body is not None
    if variant == "train" and document.training is not None:
        return list(dict.fromkeys(step.loss.text for step in document.training.alternate))
    return [o.name.text for o in document.body.outputs]


def output_value(build: Construction, frame: Frame, name: str) -> Value:
    """The value of a declared output or loss."""
    declared = next((o for o in frame.block.outputs if o.name.text == name), None)
    span = declared.name.span if declared is not None else frame.block.name.span
    meaning = single(build, lookup(build, frame, name, span).meaning, span)
    if not is_tensor_like(meaning):
        raise fail("G0311", f"output '{name}' is {kind_name(meaning)}", span, hint="outputs are tensors")
    if declared is not None and declared.type is not None:
        meaning = fit(build, frame, declared.type, meaning, f"output '{name}'", span)
    with build.at(span):
        return build.value(meaning)


def finish(
    build: Construction,
    frame: Frame,
    outputs: Mapping[str, Value],
    updates: Mapping[str, Value],
    variant: str,
) -> Program:
    """The program of these results: leaves that are not reached are left out."""
    results = (*outputs.values(), *updates.values())
    nodes = topological(results)
    reached = {v for n in nodes for v in n.outputs}
    leaves = [v for role in ("Input", "State", "Noise", "Parameter") for v in _reached(build, reached, role)]
    graph = Graph(tuple(leaves), results)
    names = {v.node.attribute("name") for v in leaves}
    weights = dict(build.weights.items())
    initializers = {n: v for n, v in build.initializers.items() if n in names}
    document = frame.file.document
    return Program(
        name=document.name.text,
        graph=graph,
        output_names=tuple(outputs),
        updates=tuple(updates),
        weights=Weights(weights),
        initializers=initializers,
        names=node_names(build, reached, leaves),
        origins=build.origins,
        sizes=reached_sizes(build, leaves),
        assumptions=tuple(dict.fromkeys(build.assumptions)),
        domains={n: d for n, d in build.domains.items() if n in names},
        variant=variant,
        metadata={"spec": document.source.path, **document.provenance},
    )


def _reached(build: Construction, reached: set[Value], role: str) -> Iterable[Value]:
    return (v for v in build.leaves.values() if v.role == role and v in reached)


def reached_sizes(build: Construction, leaves: Iterable[Value]) -> dict[str, Size]:
    """The sizes that occur in the types of the leaves."""
    from ..types.dimensions import symbols_of

    used = {s for v in leaves for d in v.tensor.shape for s in symbols_of(d)}
    return {n: s for n, s in build.sizes.items() if n in used}


def node_names(build: Construction, reached: set[Value], leaves: Iterable[Value]) -> dict[str, Value]:
    """The names that people use: leaves, and every node of every call that is outside of loops."""
    names: dict[str, Value] = {str(v.node.attribute("name")): v for v in leaves}
    for frame in build.frames:
        if frame.closed:
            continue
        for name, result in frame.nodes.items():
            if result is None:
                continue
            for label, meaning in _labelled(frame.join(name), result.meaning):
                if isinstance(meaning, Tensor) and meaning.value in reached:
                    names.setdefault(label, meaning.value)
    return names


def _labelled(label: str, meaning: Meaning) -> list[tuple[str, Meaning]]:
    if isinstance(meaning, Results):
        return [(f"{label}.{n}", m) for n, m in zip(meaning.names, meaning.values, strict=False)]
    return [(label, meaning)]


def graph_function(file: FileScope) -> FunctionValue:
    """A file's graph as a function value."""
    assert file.document.body is not None
    return FunctionValue(file.document.body, file)
