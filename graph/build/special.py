"""Calls whose arguments are not plain values: partial, repeat, scan, cond, while_loop, grad, …"""

from __future__ import annotations

from collections.abc import Callable as Function
from pathlib import Path, PurePosixPath

import numpy as np

from ..diagnostics import fail
from ..ir import Value
from ..spec import expressions as ex
from .calls import partial
from .construction import MAX_CONSTANT, Construction
from .control import cond, repeat, scan, while_loop
from .evaluation import evaluate, place, single
from .meanings import NodeResult, Results, Tensor, kind_name
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
    """`load("f.npz", "key")`: an array from a file beside the spec."""
    texts = [a for a in expression.arguments if isinstance(a, ex.Text)]
    if len(texts) != 2 or len(expression.arguments) != 2 or expression.keywords:
        raise fail("G0501", "load takes a file and a key", expression.span, hint='load("f.npz", "key")')
    path = data_path(frame, texts[0])
    try:
        with np.load(path, allow_pickle=False) as archive:
            if texts[1].value not in archive.files:
                raise fail(
                    "G1311",
                    f"'{path.name}' has no array '{texts[1].value}'",
                    texts[1].span,
                    hint=f"it has: {', '.join(archive.files)}",
                )
            array = archive[texts[1].value]
    except (OSError, ValueError, EOFError) as error:
        raise fail("G1310", f"cannot read '{texts[0].value}': {error}", texts[0].span) from None
    if array.size > MAX_CONSTANT:
        raise fail("G0438", f"the array '{texts[1].value}' is too large", texts[1].span)
    return NodeResult(array)


def data_path(frame: Frame, text: ex.Text) -> Path:
    """A data file's path, inside the spec's folder. Raises G1312 for one that leaves it."""
    relative = PurePosixPath(text.value)
    folder = Path(frame.file.document.source.path).resolve().parent
    if relative.is_absolute() or ".." in relative.parts or "\\" in text.value:
        raise fail("G1312", f"'{text.value}' leaves the spec's folder", text.span, hint="use a path below it")
    return folder / relative


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
