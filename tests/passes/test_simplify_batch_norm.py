"""Batch norm folded into linear operations, in every form in which it arrives. The oracle is the
formula in float64 with NumPy's own products (through the reference evaluator of the unfolded graph,
and for MatMul by hand)."""

from __future__ import annotations

import numpy as np
import pytest

from graphwright.backends.reference import ReferenceEvaluator
from graphwright.graph.ir import leaf
from graphwright.graph.types import FLOAT32, TensorType
from graphwright.passes.manager import Exact, Replacement
from graphwright.passes.manager.site_check import check_site
from graphwright.passes.manager.sites import region_of
from graphwright.passes.simplify.batch_norm import FoldBatchNorm

C = 6


class Net:
    """Leaves of one role, with values in `arrays`."""

    def __init__(self, role="Parameter"):
        self.role, self.arrays, self.generator = role, {}, np.random.default_rng(0)

    def leaf(self, name, *shape, positive=False, role=None):
        array = self.generator.standard_normal(shape).astype(np.float32)
        self.arrays[name] = np.abs(array) + np.float32(0.1) if positive else array
        return leaf(role or self.role, name, TensorType(FLOAT32, shape))

    def statistics(self):
        return (
            self.leaf("gamma", C),
            self.leaf("beta", C),
            self.leaf("mean", C, role="State"),
            self.leaf("var", C, positive=True, role="State"),
        )


LINEAR = {
    "Conv": ((2, 3, 8, 8), lambda m, n, x: m.apply("Conv", x, n.leaf("w", C, 3, 3, 3))),
    "Conv with bias": (
        (2, 3, 8, 8),
        lambda m, n, x: m.apply("Conv", x, n.leaf("w", C, 3, 3, 3), n.leaf("b", C)),
    ),
    "Conv in groups": ((2, 4, 8, 8), lambda m, n, x: m.apply("Conv", x, n.leaf("w", C, 2, 3, 3), group=2)),
    "Conv in one dimension": (
        (2, 3, 8),
        lambda m, n, x: m.apply("Conv", x, n.leaf("w", C, 3, 3), pads=[1, 1]),
    ),
    "ConvTranspose": ((2, 4, 5, 5), lambda m, n, x: m.apply("ConvTranspose", x, n.leaf("w", 4, C, 3, 3))),
    "ConvTranspose in groups": (
        (2, 4, 5, 5),
        lambda m, n, x: m.apply("ConvTranspose", x, n.leaf("w", 4, C // 2, 3, 3), n.leaf("b", C), group=2),
    ),
    "Gemm": (
        (5, 4),
        lambda m, n, x: m.apply("Gemm", x, n.leaf("w", 4, C), n.leaf("b", C), beta=0.5, alpha=2.0),
    ),
    "Gemm by rows": ((5, 4), lambda m, n, x: m.apply("Gemm", x, n.leaf("w", C, 4), transB=1)),
    "MatMul": ((5, 4), lambda m, n, x: m.apply("MatMul", x, n.leaf("w", 4, C))),
    "MatMul with bias": (
        (5, 4),
        lambda m, n, x: m.apply("Add", n.leaf("b", C), m.apply("MatMul", x, n.leaf("w", 4, C))),
    ),
}


def operator_form(make, net, y):
    return make.apply("BatchNormalization", y, *net.statistics(), epsilon=1e-3)


def written_form(make, net, y):
    """As specs write it: (y - m) / sqrt(v + eps) * gamma + beta, with per-channel reshapes."""
    gamma, beta, mean, var = net.statistics()
    rank = y.tensor.rank
    shape = make.ints(1, C, *[1] * (rank - 2))

    def channel(v):
        return make.apply("Reshape", v, shape)

    deviation = make.apply("Sqrt", make.apply("Add", channel(var), make.const(1e-3)))
    normal = make.apply("Div", make.apply("Sub", y, channel(mean)), deviation)
    return make.apply("Add", make.apply("Mul", normal, channel(gamma)), channel(beta))


def exported_form(make, net, y):
    """As a raw torch export has it: every statistic goes through CastLike and Expand."""

    def wrapped(v):
        return make.apply("Expand", make.apply("CastLike", v, y), make.ints(C))

    return make.apply("BatchNormalization", y, *map(wrapped, net.statistics()), epsilon=1e-3)


FORMS = {"operator": operator_form, "written": written_form, "exported": exported_form}


def grouped_evaluator():
    """torch: the ONNX reference evaluator refuses ConvTranspose in groups."""
    from graphwright.backends.torch_fx import TorchEvaluator

    return TorchEvaluator()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", LINEAR)
def test_it_folds_to_the_linear_operation_alone(make, name, form):
    shape, build = LINEAR[name]
    net = Net()
    y = build(make, net, make.input(shape=shape))
    program = make.program(FORMS[form](make, net, y), weights=net.arrays)
    result = make.apply_pass(FoldBatchNorm(), program)
    expected = ["MatMul", "Add"] if name.startswith("MatMul") else [name.split()[0]]
    assert make.operators(result.program) == expected
    feeds = {"x": net.generator.standard_normal(shape).astype(np.float32)}
    evaluator = grouped_evaluator() if name.endswith("Transpose in groups") else None
    exact = make.run(program, feeds, True, evaluator)[0]
    old, new = (make.run(p, feeds, False, evaluator)[0] for p in (program, result.program))
    top = np.abs(exact).max()
    assert np.abs(new - exact).max() <= 4 * np.abs(old - exact).max() + 1e-6 * top
    assert set(result.program.weights.arrays).isdisjoint(net.arrays)  # what is folded is not kept


def rank_two(make, scale, shift, wrong=1.0):
    """Both forms of `(x w) scale + shift` as a site, the second with its weights off by `wrong`."""
    net = Net("Weight")
    w = net.leaf("w", 16, 16)
    x = make.input(shape=(32, 16))
    product = make.apply("MatMul", x, w)
    old = make.apply("Add", make.apply("Mul", product, make.const(scale)), make.const(shift))
    scaled = make.apply("Mul", w, make.const(np.asarray(scale) * wrong))
    new = make.apply("Add", make.apply("MatMul", x, scaled), make.const(shift))
    given = {x: net.generator.standard_normal((32, 16)).astype(np.float32), w: net.arrays["w"]}
    return region_of(Replacement((old,), (new,), "fold")), given


def test_a_right_fold_and_one_that_is_slightly_wrong_are_told_apart(make):
    generator = np.random.default_rng(2)
    scale, shift = generator.uniform(0.5, 2, 16), generator.standard_normal(16)
    region, given = rank_two(make, scale, shift)
    right = check_site(region, given, Exact("algebra"), ReferenceEvaluator())
    assert right.finding.verdict.value == "holds"
    (shadow_old, shadow_new) = ReferenceEvaluator().evaluate(
        (*region.replacement.old, *region.replacement.new), given, float64=True
    )
    assert np.abs(shadow_old - shadow_new).max() < 1e-14 * np.abs(shadow_old).max()
    region, given = rank_two(make, scale, shift, wrong=1 + 1e-6)
    assert check_site(region, given, Exact("algebra"), ReferenceEvaluator()).finding.verdict.value == "broken"


REFUSED = {
    "another reader of the convolution": "readers",
    "a weight that is shared": "shared",
    "training statistics": "training",
    "parameters without values": "no constant",
    "a nonlinear operation between": "no linear operation",
    "a scale per row": "per channel",
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_stays_away(make, name):
    net = Net()
    x = make.input(shape=(5, 4))
    w = net.leaf("w", 4, C)
    y = make.apply("MatMul", x, w)
    outputs = []
    if name.startswith("another"):
        outputs.append(y)
    if name.startswith("a weight"):
        outputs.append(make.apply("MatMul", make.apply("Neg", x), w))
    if name.startswith("a nonlinear"):
        y = make.apply("Relu", y)
    if name.startswith("a scale"):
        z = make.apply("Mul", y, net.leaf("s", 5, 1))
    elif name.startswith("training"):
        z = make.apply_all("BatchNormalization", y, *net.statistics(), training_mode=1)[0]
    else:
        z = make.apply("BatchNormalization", y, *net.statistics())
    arrays = {} if name.startswith("parameters") else net.arrays
    program = make.program(z, *outputs, weights=arrays)
    result = make.apply_pass(FoldBatchNorm(), program)
    assert result.program is program
    from graphwright.passes.rewriting.explanation import explain
    from graphwright.passes.simplify.freezing import freeze

    reasons = [a.reason for a in explain(FoldBatchNorm(), freeze(program), "y0").attempts]
    assert any(REFUSED[name] in (r or "") for r in reasons), reasons


@pytest.mark.parametrize("number", [0.0, np.inf, np.nan, 1e-42])
def test_a_divisor_whose_inverse_is_not_finite_stays(make, number):
    """x w / 0 is infinite or NaN by element; with infinite weights all sums would be NaN."""
    net = Net()
    y = make.apply("MatMul", make.input(shape=(5, 4)), net.leaf("w", 4, C))
    program = make.program(make.apply("Div", y, make.const(number)), weights=net.arrays)
    assert (make.apply_pass(FoldBatchNorm(), program).program is program) is (not np.isinf(number))


def test_without_fold_parameters_parameters_stay(make):
    net = Net()
    y = make.apply("Conv", make.input(shape=(2, 3, 8, 8)), net.leaf("w", C, 3, 3, 3))
    program = make.program(operator_form(make, net, y), weights=net.arrays)
    assert make.apply_pass(FoldBatchNorm(fold_parameters=False), program).program is program


def test_origins_of_the_fold_name_both_lines(make):
    from graphwright.graph.diagnostics import Source, Span
    from graphwright.graph.ir import Origin

    net = Net()
    source = Source("m.yaml", "a\nb\n")
    lines = [Span(source, n, 1, n, 2) for n in (1, 2)]
    y = make.apply("Conv", make.input(shape=(2, 3, 8, 8)), net.leaf("w", C, 3, 3, 3))
    z = operator_form(make, net, y)
    origins = {y: Origin((lines[0],), "conv"), z: Origin((lines[1],), "norm")}
    program = make.program(z, weights=net.arrays, origins=origins)
    folded = make.apply_pass(FoldBatchNorm(), program).program
    assert set(folded.origins[folded.graph.outputs[0]].spans) == set(lines)
