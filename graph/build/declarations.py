"""Declared values of a call, made when first used: parameters, states, noise (R2, R6, R28-R30)."""

from __future__ import annotations

from collections.abc import Sequence

from ..diagnostics import fail
from ..ir import Value, topological
from ..spec import expressions as ex
from ..spec.documents import Declaration
from ..types import Dimension, TensorType
from .construction import Construction, as_array
from .meanings import Array, Items, Meaning, Tensor, is_tensor_like, kind_name
from .scope import Frame, Target
from .signatures import declared_type, fit


def declared_value(build: Construction, frame: Frame, name: str) -> Meaning:
    """The parameter, state or noise of that name in this call, made if need be; None if there is none."""
    for role, declarations in (
        ("Parameter", frame.block.parameters),
        ("State", frame.block.state),
        ("Noise", frame.block.noise),
    ):
        for declaration in declarations:
            if declaration.name.text == name:
                value = _make(build, frame, role, declaration)
                frame.values[name] = value
                return value
    return None


def _make(build: Construction, frame: Frame, role: str, declaration: Declaration) -> Tensor:
    name = declaration.name.text
    assert declaration.type is not None
    if name in frame.supplied:
        return fit(
            build,
            frame,
            declaration.type,
            frame.supplied[name],
            f"'{name}'",
            frame.call_span or declaration.name.span,
        )
    type_ = declared_type(build, frame, declaration.type, copied=lambda other: _type_of(build, frame, other))
    if frame.join(name) in frame.run.overrides:
        return Tensor(_overridden(build, frame, role, frame.join(name), type_))
    with build.at(declaration.name.span):
        if role == "Noise":
            return Tensor(_noise(build, frame, declaration, type_))
        if role == "State" and build.loops:
            raise fail(
                "G0702",
                f"the state '{name}' is owned inside a scan",
                declaration.name.span,
                hint="carry it: make it one of the scan's states",
            )
        return Tensor(_stored(build, frame, role, declaration, type_))


def _overridden(build: Construction, frame: Frame, role: str, path: str, type_: TensorType) -> Value:
    """What a test gives in place of a parameter, state or noise: once, however many runs
    have it. Random numbers in it are drawn by the host, so it becomes the initializer of a leaf."""
    expression, scope = frame.run.overrides[path]
    key = (id(expression), path, type_)
    made = build.overridden.get(key)
    if made is None:
        made = generate(build, scope, expression, type_, path)
        if any(n.name == "Draw" for n in topological([made])):
            name = path
            while name in build.leaves:
                name += "'"
            build.initializers[name] = made
            made = build.add_leaf(role, name, type_)
        build.overridden[key] = made
    return made


def _type_of(build: Construction, frame: Frame, name: str) -> TensorType:
    """The type that `like(name)` copies."""
    from .evaluation import lookup

    span = build.span or frame.block.name.span
    found = lookup(build, frame, name, span).meaning
    if isinstance(found, Tensor):
        return found.type
    if is_tensor_like(found):
        return build.value(found).tensor
    raise fail("G0414", f"like({name}) needs a tensor; it is {kind_name(found)}", span)


def _stored(
    build: Construction, frame: Frame, role: str, declaration: Declaration, type_: TensorType
) -> Value:
    """A parameter or state: one leaf for each path."""
    path = frame.join(declaration.name.text)
    found = build.leaves.get(path)
    if found is not None:
        if found.tensor != type_:
            raise fail(
                "G0703", f"'{path}' is {found.type} elsewhere, but {type_} here", declaration.name.span
            )
        return found
    value = build.add_leaf(role, path, type_)
    if declaration.default is not None:
        content = _file_content(build, frame, declaration, type_, path)
        if content is not None:
            build.weights[path] = content
            return value
        build.initializers[path] = _initializer(build, frame, declaration, type_, path)
    elif role == "State":
        build.initializers[path] = build.cast(build.constant(0), type_.dtype)
    return value


def _file_content(
    build: Construction, frame: Frame, declaration: Declaration, type_: TensorType, path: str
) -> Array | None:
    """The array of `= load("f.safetensors")` where it has the declared type: then nothing has to be
    computed, and it stays in its file."""
    from .special import loaded

    assert declaration.default is not None
    with build.generating(Target(type_.shape, type_.dtype, path)):
        array = loaded(build, frame, declaration.default)
    fits = array is not None and array.shape == type_.dims and array.dtype == type_.dtype.numpy
    return array if fits else None


def _noise(build: Construction, frame: Frame, declaration: Declaration, type_: TensorType) -> Value:
    """Noise is drawn for every call, and for every step of the loops around it: the leaf has one
    leading axis for each loop, and the body gets the slice of its step (R29). One stream fills the
    leaf in order, so that more steps change no draw of the first ones."""
    base = frame.noise_path if frame.noise_path is not None else frame.path
    name = f"{base}.{declaration.name.text}" if base else declaration.name.text
    steps = [loop.steps for loop in build.loops if loop.steps is not None]
    if len(steps) < len(build.loops):
        message = f"noise '{declaration.name.text}' in a scan over an axis whose size only a run tells"
        raise fail("G0608", message, declaration.name.span)
    whole = TensorType(type_.dtype, (*steps, *type_.shape))
    name = _free_name(build, name, whole)
    if name not in build.leaves:
        build.add_leaf("Noise", name, whole)
        build.initializers[name] = _initializer(build, frame, declaration, whole, name)
    value = build.leaves[name]
    for loop in build.loops:
        value = loop.slice_of(build, value)
    return value


def _free_name(build: Construction, name: str, type_: TensorType) -> str:
    """The name, or one with a number where another run of the same call needs another shape."""
    free, count = name, 0
    while free in build.leaves and build.leaves[free].tensor != type_:
        count += 1
        free = f"{name}@{count}"
    return free


def _initializer(
    build: Construction, frame: Frame, declaration: Declaration, type_: TensorType, stream: str
) -> Value:
    if declaration.default is None:
        raise fail(
            "G0705",
            f"noise '{declaration.name.text}' has no distribution",
            declaration.name.span,
            hint=f"write {declaration.name.text}: … = normal()",
        )
    loops, build.loops = build.loops, []
    try:
        return generate(build, frame, declaration.default, type_, stream)
    finally:
        build.loops = loops


def generate(
    build: Construction, frame: Frame, expression: ex.Expression, type_: TensorType, stream: str
) -> Value:
    """A generator expression as a value of that type: converted to its dtype, broadcast to its shape."""
    from .evaluation import evaluate

    with build.generating(Target(type_.shape, type_.dtype, stream)), build.at(expression.span):
        return shaped(build, evaluate(build, frame, expression), type_)


def shaped(build: Construction, meaning: Meaning, type_: TensorType) -> Value:
    """A meaning as a value of exactly that type: rounded to its dtype, broadcast to its shape."""
    if isinstance(meaning, Items):
        meaning = as_array(build, meaning)
    if not is_tensor_like(meaning):
        raise fail("G0706", f"an initialiser makes a tensor, not {kind_name(meaning)}", build.span)
    if isinstance(meaning, Tensor) and not meaning.weak:
        value = build.cast(meaning.value, type_.dtype)
    else:
        value = build.value(meaning, type_.dtype)
    if value.tensor.dims == type_.dims:
        return value
    if not _broadcasts(value.tensor.shape, type_.shape):
        raise fail("G0706", f"an initialiser of type {value.type} does not fit {type_}", build.span)
    return build.op("Expand", value, build.shape_value(type_.shape))


def _broadcasts(found: Sequence[Dimension], wanted: Sequence[Dimension]) -> bool:
    if len(found) > len(wanted):
        return False
    tail = wanted[len(wanted) - len(found) :]
    return all(a == b or a == 1 for a, b in zip(found, tail, strict=True))
