"""The operators of the `graphwright` domain: few, each with a body in standard operators.

The bodies are written in YAML under `specs/lowerings/`; StopGradient's is Identity.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..types.dtypes import UINT8
from ..types.refinement import may_be_equal
from ..types.types import TensorType, Type
from .attributes import Attribute, make_attribute
from .operator import AttributeSpec, Call, Formal, Operator, RuleError
from .rules.codes import dequantize_codes, fake_quantize, quantize_codes, simulated_conv, simulated_matmul
from .rules.state_space import lti_ssm

_FLOATS = frozenset({"float16", "float32", "float64", "bfloat16"})
_REAL = frozenset({"float32", "float64"})


def _same_as_first(call: Call) -> Sequence[Type]:
    first = call.inputs[0]
    assert first is not None
    return (first.type,)


def _matrix(call: Call, index: int) -> TensorType:
    operand = call.inputs[index]
    assert operand is not None
    found = operand.type
    if not isinstance(found, TensorType) or found.rank < 2:
        raise RuleError(
            "G0405", f"{call.operator.name} needs matrices, rank 2 or more; this is {found}", (index,)
        )
    rows, columns = found.axes[-2:] if found.axes is not None else (None, None)
    if rows != columns and rows is not None and columns is not None:
        raise RuleError("G0406", f"{call.operator.name} needs square matrices; this is {found}", (index,))
    return found


def _square(call: Call) -> Sequence[Type]:
    return (_matrix(call, 0),)


def _log_det(call: Call) -> Sequence[Type]:
    found = _matrix(call, 0)
    return (TensorType.of(found.dtype, found.axes[:-2] if found.axes is not None else None),)


def _solve(call: Call) -> Sequence[Type]:
    matrix = _matrix(call, 0)
    right = call.inputs[1]
    assert right is not None
    found = right.type
    if not isinstance(found, TensorType) or found.rank != matrix.rank:
        raise RuleError(
            "G0405",
            f"the right-hand side must have rank {matrix.rank} like the matrix; it is {found}",
            (1, 0),
        )
    if found.axes is None or matrix.axes is None or not may_be_equal(found.axes[:-1], matrix.axes[:-1]):
        raise RuleError("G0402", f"cannot solve {matrix} with right-hand side {found}", (0, 1))
    return (found,)


def _gradient(call: Call) -> Sequence[Type]:
    loss = call.inputs[0]
    assert loss is not None
    if not isinstance(loss.type, TensorType) or loss.type.rank or not loss.type.dtype.is_float:
        raise RuleError(
            "G0704", f"grad needs a floating-point scalar, not {loss.type}", (0,), "reduce it: mean(…)"
        )
    return tuple(v.type for v in call.inputs[1:] if v is not None)


def _operator(name: str, inputs: str, rule: object, doc: str, dtypes: frozenset[str] = _REAL) -> Operator:
    return Operator(
        "graphwright",
        name,
        1,
        tuple(Formal(i, "T", dtypes) for i in inputs.split()),
        (Formal("Y", "T", dtypes),),
        infer=rule,  # type: ignore[arg-type]  # a TypeRule, given positionally by the table below
        doc=doc,
    )


_CODES = frozenset({"uint2", "uint4", "uint8"})
_LAYOUT = {
    "levels": AttributeSpec(
        "levels", "floats", required=True, doc="The grid: at most 256 levels in increasing order."
    ),
    "axis": AttributeSpec("axis", "int", default=Attribute("int", 1), doc="The axis of scales or blocks."),
    "block_size": AttributeSpec(
        "block_size", "int", default=Attribute("int", 0), doc="Elements along axis that share a scale."
    ),
}
_TO = AttributeSpec("to", "int", default=Attribute("int", UINT8.code), doc="The dtype of the codes.")


def _attribute(name: str, kind: str, default: object, doc: str) -> AttributeSpec:
    return AttributeSpec(name, kind, default=make_attribute(kind, default), doc=doc)


def _approximated(call: Call) -> Sequence[Type]:
    """The operands' one type."""
    found = {v.type for v in call.inputs if v is not None}
    if len(found) != 1 or len(call.inputs) != len(call.attribute("body").inputs):
        raise RuleError("G0405", "Elementwise takes one operand of one type for each input of its body", (0,))
    return (found.pop(),)


_ELEMENTWISE = Operator(
    "graphwright",
    "Elementwise",
    1,
    (Formal("X", "T", _REAL, variadic=True),),
    (Formal("Y", "T", _REAL),),
    {
        a.name: a
        for a in (
            AttributeSpec("body", "graph", required=True, doc="What it stands for, closed, in operators."),
            AttributeSpec(
                "program", "strings", required=True, doc="The program: dtype and inputs, steps, result."
            ),
            _attribute(
                "softmax", "int", 0, "1: the program at X less its maximum along the last axis, over its sum"
            ),
            _attribute("least", "int", 0, "tensors of fewer elements are computed by the body"),
            _attribute(
                "steps", "int", 0, "1: also where there are no kernels the steps are computed, not the body"
            ),
            AttributeSpec(
                "certificates", "strings", doc="Program, bound and digest of each certificate used."
            ),
        )
    },
    infer=_approximated,
    doc="""A function computed element by element by a program with certificates, up to their bounds. `body`
is the function itself: what runs in another dtype, for few elements, and where a backend has no kernel.""",
)

_LTI_SSM = Operator(
    "graphwright",
    "LtiSsm",
    1,
    tuple(Formal(n, "T", _REAL, optional=i > 3) for i, n in enumerate("u A B C D dt initial P Q".split())),
    (Formal("y", "T", _REAL), Formal("last", "T", _REAL)),
    {
        a.name: a
        for a in (
            _attribute("form", "string", "dense", "dense, diagonal, dplr or block: what A holds"),
            _attribute("disc", "string", "none", "none, zoh or bilinear: how A, B become discrete"),
            _attribute("mode", "string", "auto", "auto, step, chunk, fft or associative: how it is computed"),
            _attribute("chunk", "int", 0, "steps a chunk; 0 leaves the choice to the cost model"),
            _attribute("certified_error", "float", -1.0, "certified max |Δy| per unit input; -1: exact"),
            _attribute("certificate_kind", "string", "", "how the certified form was found"),
        )
    },
    infer=lti_ssm,
    doc="""A linear time-invariant state-space layer: x[t] = Ā x[t-1] + B̄ u[t], y[t] = C x[t] + D u[t], for G
groups of I inputs and O outputs: u[batch, G·I, L] to y[batch, G·O, L] and the last state.

- dense: A[G, N, N], B[G, N, I], C[G, O, N]; the state is [batch, G, N].
- diagonal: A[G, M, 2], B[G, M, I, 2], C[G, O, M, 2], complex as a last axis of 2: one of each pair of
  conjugate poles, y = 2 Re(C x) (half a C for a real pole); the state is [batch, G, M, 2].
- dplr: as diagonal, with A = diag(A) - P Q*, P and Q [G, M, R, 2], conjugates implied.
- block: A[G, K, n, n], B[G, K, n, I], C[G, O, K, n]: K independent blocks of order n.

disc zoh: Ā = exp(A dt), B̄ = A⁻¹ (Ā - 1) B; bilinear: Ā = (1 - A dt/2)⁻¹ (1 + A dt/2), B̄ = (1 - A dt/2)⁻¹ dt B;
none: A and B are discrete already. dt[G] (dt[G, M] for diagonal). D[G, O, I], or D[G·I] elementwise.""",
)

_FAKE_QUANTIZE = Operator(
    "graphwright",
    "FakeQuantize",
    1,
    (Formal("X", "T", _REAL), Formal("scale", "T", _REAL)),
    (Formal("Y", "T", _REAL),),
    {
        **_LAYOUT,
        "surrogate": _attribute("surrogate", "string", "lsq", "the gradient: one of SURROGATES"),
        "parameter": _attribute(
            "parameter", "float", 0.0, "the surrogate's own number: omega, delta, steepness"
        ),
        "soft": _attribute("soft", "int", 0, "sine: 1 for the first stage, sin(omega x) before its sign"),
    },
    infer=fake_quantize,
    doc="""X rounded to the nearest level times |scale|, with a gradient for training: `surrogate` says which. The
result is Dequantize(Quantize(X, |scale|), |scale|); with the surrogate sine sign(sin(omega X)) * |scale|
(BiPer, arXiv 2404.01278).""",
)

_PRODUCT_FORMATS = {
    "levels": _LAYOUT["levels"],
    "backward_levels": AttributeSpec(
        "backward_levels",
        "floats",
        doc="The grid of output gradients; without it products of gradients are float.",
    ),
    "block_size": AttributeSpec(
        "block_size", "int", default=Attribute("int", 16), doc="Elements that share a scale along the sum."
    ),
    "scale": _attribute("scale", "string", "e4m3", "the grid of scales: float32, e8m0, e4m3, ue5m3"),
    "tensor_scale": _attribute("tensor_scale", "int", 0, "1: scales are relative to one number a tensor"),
    "four_over_six": _attribute(
        "four_over_six",
        "int",
        0,
        "1: of a scale and 1.5 times it each block takes the one with the least error",
    ),
    "hadamard": _attribute(
        "hadamard", "int", 0, "rotates both operands of each product by blocks of so many"
    ),
    "stochastic": _attribute(
        "stochastic", "string", "", "what is rounded stochastically: gradients, backward (both operands), all"
    ),
}


def _simulated(name: str, inputs: tuple[Formal, ...], rule: object, like: str) -> Operator:
    return Operator(
        "graphwright",
        name,
        1,
        inputs,
        (Formal("Y", "T", _REAL),),
        {
            **_PRODUCT_FORMATS,
            **(
                {n: AttributeSpec(n, "ints") for n in ("pads", "strides", "dilations", "kernel_shape")}
                | {
                    "group": _attribute("group", "int", 1, "as in Conv"),
                    "auto_pad": _attribute("auto_pad", "string", "NOTSET", "as in Conv"),
                }
                if like == "Conv"
                else {}
            ),
        },
        infer=rule,  # type: ignore[arg-type]  # a TypeRule, given positionally by the table below
        doc=f"{like} as a machine for narrow formats would compute it, forward and backward: both operands of each "
        "of the three products are rounded to `levels` with scales for blocks along the sum. For training only.",
    )


GRAPHWRIGHT: dict[str, Operator] = {
    o.name: o
    for o in (
        _operator(
            "StopGradient", "X", _same_as_first, "The identity, through which no gradient flows.", _FLOATS
        ),
        _operator(
            "Cholesky", "A", _square, "Lower L with A = L Lᵀ of symmetric positive definite A[..., n, n]."
        ),
        _operator("Solve", "A B", _solve, "X with A X = B for A[..., n, n], B[..., n, k]."),
        _operator("SolveSPD", "A B", _solve, "Solve for symmetric positive definite A, by Cholesky."),
        _operator("TriangularSolve", "L B", _solve, "X with L X = B for lower triangular L."),
        Operator(
            "graphwright",
            "Grad",
            1,
            (Formal("loss", "T", _FLOATS), Formal("wrt", "W", _FLOATS, variadic=True, homogeneous=False)),
            (Formal("gradients", "W", _FLOATS, variadic=True, homogeneous=False),),
            infer=_gradient,
            doc="d loss / d wrt for each wrt, which is treated as independent; resolved before any backend.",
        ),
        _operator(
            "LogDetSPD", "A", _log_det, "log det A of symmetric positive definite A[..., n, n]: [...]."
        ),
        Operator(
            "graphwright",
            "Quantize",
            1,
            (Formal("X", "T", _REAL), Formal("scale", "T", _REAL)),
            (Formal("codes", "C", _CODES),),
            {**_LAYOUT, "to": _TO},
            infer=quantize_codes,
            doc="The index of the level nearest to X / scale. The scale is one number, one for each place "
            "on axis, or one for each block along it, as in QuantizeLinear.",
        ),
        Operator(
            "graphwright",
            "Dequantize",
            1,
            (Formal("codes", "C", _CODES), Formal("scale", "T", _REAL)),
            (Formal("Y", "T", _REAL),),
            _LAYOUT,
            infer=dequantize_codes,
            doc="levels[codes] * scale, with scales as in Quantize.",
        ),
        _LTI_SSM,
        _ELEMENTWISE,
        _FAKE_QUANTIZE,
        _simulated(
            "SimulatedMatMul",
            (Formal("A", "T", _REAL), Formal("B", "T", _REAL), Formal("key", "K", _REAL)),
            simulated_matmul,
            "MatMul",
        ),
        _simulated(
            "SimulatedConv",
            (Formal("X", "T", _REAL), Formal("W", "T", _REAL), Formal("key", "K", _REAL)),
            simulated_conv,
            "Conv",
        ),
    )
}
