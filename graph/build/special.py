"""Calls whose arguments are not plain values: partial, repeat, scan, cond, while_loop, grad, …"""

from __future__ import annotations

from collections.abc import Callable as Function
from pathlib import Path, PurePosixPath

import numpy as np

from ..diagnostics import Span, did_you_mean, fail
from ..ir import Value
from ..spec import expressions as ex
from .array_files import map_entry, read_header
from .calls import partial
from .construction import MAX_CONSTANT, Construction
from .control import cond, repeat, scan, while_loop
from .evaluation import evaluate, place, single
from .meanings import Array, NodeResult, Results, Tensor, kind_name
from .scope import Frame

Form = Function[[Construction, Frame, ex.Call], NodeResult]


def _partial(build: Construction, frame: Frame, expression: ex.Call) -> NodeResult:
    return NodeResult(partial(build, frame, expression))


def _grad(build: Construction, frame: Frame, expression: ex.Call) -> NodeResult:
    """`grad(scalar, wrt=x)` or `wrt=[a, b]` (R31): a Grad node, resolved before any backend."""
    wrt = next((k.value for k in expression.keywords if k.name == "wrt"), None)
    if len(expression.arguments) != 1 or wrt is None or len(expression.keywords) != 1:
        raise fail(
            "G0501", "grad takes a scalar and wrt=", expression.span, hint="grad(loss, wrt=x) or wrt=[a, b]"
        )
    loss = build.value(evaluate(build, frame, expression.arguments[0]))
    targets = wrt.items if isinstance(wrt, ex.ListOf) else (wrt,)
    values = [_differentiable(build, frame, t) for t in targets]
    results = build.ops("Grad", loss, *values, domain="graphwright", outputs=len(values))
    tensors = tuple(Tensor(v) for v in results)
    if len(tensors) == 1 and not isinstance(wrt, ex.ListOf):
        return NodeResult(tensors[0])
    return NodeResult(Results(tuple(f"d{i}" for i in range(len(tensors))), tensors))


def _differentiable(build: Construction, frame: Frame, expression: ex.Expression) -> Value:
    meaning = single(build, place(build, frame, expression).meaning, expression.span)
    if not isinstance(meaning, Tensor) or meaning.weak or not meaning.dtype.is_float:
        raise fail(
            "G0707",
            f"grad differentiates with respect to floating-point tensors, not {kind_name(meaning)}",
            expression.span,
        )
    return meaning.value


def _hex(build: Construction, frame: Frame, expression: ex.Call) -> NodeResult:
    """`hex('0x1.8p+1')`: an exact constant."""
    argument = expression.arguments[0] if len(expression.arguments) == 1 else None
    if not isinstance(argument, ex.Text):
        raise fail("G0501", "hex takes one text", expression.span, hint="hex('0x1.8p+1')")
    try:
        return NodeResult(float.fromhex(argument.value))
    except (ValueError, OverflowError):
        raise fail(
            "G0504", f"'{argument.value}' is no hexadecimal float", argument.span, hint="such as 0x1.8p+1"
        ) from None


def _load(build: Construction, frame: Frame, expression: ex.Call) -> NodeResult:
    """`load("f.npz", "key")`: an array from a file beside the spec. Without a key, in an initialiser,
    the array of the parameter's own path. One from a safetensors file keeps its dtype."""
    path, key, place = _file_and_key(build, frame, expression)
    if path.suffix != ".safetensors":
        return NodeResult(_from_archive(path, key, place, expression))
    array = stored_array(build, path, key, place)
    value = build.stored(f"{path.name}:{key}", array)
    return NodeResult(Tensor(value))


def _file_and_key(build: Construction, frame: Frame, expression: ex.Call) -> tuple[Path, str, Span]:
    texts = [a for a in expression.arguments if isinstance(a, ex.Text)]
    whole = len(texts) == len(expression.arguments) and not expression.keywords
    if not whole or len(texts) not in (1, 2):
        raise fail("G0501", "load takes a file and a key", expression.span, hint='load("f.npz", "key")')
    path = data_path(frame, texts[0])
    if len(texts) == 2:
        return path, texts[1].value, texts[1].span
    if build.target is None:
        raise fail(
            "G0501",
            "load needs a key here",
            expression.span,
            hint='load("f.npz", "key"); in an initialiser, the key is the path of what it fills',
        )
    return path, build.target.stream, texts[0].span


def loaded(build: Construction, frame: Frame, expression: ex.Expression) -> Array | None:
    """The array of an initialiser that is just `load` of a safetensors file, else None."""
    if not isinstance(expression, ex.Call) or not isinstance(expression.function, ex.Name):
        return None
    if expression.function.name != "load" or "load" in frame.file.functions:
        return None
    path, key, place = _file_and_key(build, frame, expression)
    return stored_array(build, path, key, place) if path.suffix == ".safetensors" else None


def stored_array(build: Construction, path: Path, key: str, place: Span) -> Array:
    """The array called `key` of a safetensors file, mapped. Raises SpecError G1310, G1311."""
    try:
        if path not in build.headers:
            build.headers[path] = read_header(path)
        header = build.headers[path]
        if key not in header:
            hint = did_you_mean(key, header) or f"it has: {', '.join(list(header)[:12])}"
            raise fail("G1311", f"'{path.name}' has no array '{key}'", place, hint=hint)
        return map_entry(path, header[key])
    except OSError as error:
        raise fail("G1310", f"cannot read '{path.name}': {error.strerror}", place) from None
    except ValueError as error:
        raise fail("G1310", f"cannot read '{path.name}': {error}", place) from None


def _from_archive(path: Path, key: str, place: Span, expression: ex.Call) -> Array:
    try:
        with np.load(path, allow_pickle=False) as archive:
            if key not in archive.files:
                hint = f"it has: {', '.join(archive.files)}"
                raise fail("G1311", f"'{path.name}' has no array '{key}'", place, hint=hint)
            array: Array = archive[key]
    except (OSError, ValueError, EOFError) as error:
        raise fail("G1310", f"cannot read '{path.name}': {error}", expression.arguments[0].span) from None
    if array.size > MAX_CONSTANT:
        raise fail("G0438", f"the array '{key}' is too large", place)
    return array


def data_path(frame: Frame, text: ex.Text) -> Path:
    """A data file's path, inside the spec's folder. Raises G1312 for one that leaves it."""
    relative = PurePosixPath(text.value)
    folder = Path(frame.file.document.source.path).resolve().parent
    if relative.is_absolute() or ".." in relative.parts or "\\" in text.value:
        raise fail("G1312", f"'{text.value}' leaves the spec's folder", text.span, hint="use a path below it")
    path = folder / relative
    if not path.resolve().is_relative_to(folder):
        raise fail("G1312", f"'{text.value}' is a link that leaves the spec's folder", text.span)
    return path


def _test_form(name: str) -> Form:
    """A form of tests (self, after, allclose), whose module needs this one."""

    def form(build: Construction, frame: Frame, expression: ex.Call) -> NodeResult:
        from . import cases

        forms = {"self": cases.another_run, "after": cases.after, "allclose": cases.allclose}
        return forms[name](build, frame, expression)

    return form


SPECIAL_FORMS: dict[str, Form] = {
    "partial": _partial,
    "repeat": repeat,
    "scan": scan,
    "cond": cond,
    "while_loop": while_loop,
    "grad": _grad,
    "hex": _hex,
    "load": _load,
    "self": _test_form("self"),
    "after": _test_form("after"),
    "allclose": _test_form("allclose"),
}
