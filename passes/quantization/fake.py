"""Quantization in training: which layers are rounded how, and the nodes that do it.

The layers are chosen by the same rules as in the pass `quantize`. Every weight and layer input gets a
FakeQuantize node with a scale of its own that is a parameter and trained like one; a layer whose scales
are recomputed from its numbers (FP4 and its kin), or whose gradients are rounded too, becomes a simulated
product. What was inserted is written into the program's metadata, so that the trained file says how it is
to be compiled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...graph.ir import Graph, Node, Program, Value, apply, constant, consumers, leaf, rebuild
from ...graph.ir.quantized import QUANTIZATION_KEY
from ...graph.spec.keys import ROUNDED
from ...graph.types import FLOAT32, TensorType
from ...graph.types.grids import Grid, full_range, grid
from ..manager.application import moved_by
from ..manager.pass_ import Replacement
from .biper import frequency
from .layout import Layout
from .operands import OPERATORS, Layer, weight_axes
from .rounding import Scales, find_scales, scale_format
from .rules import Rule, first_match, read_rules
from .scheme import QuantScheme, activation_scheme, read_surrogate, weight_scheme

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class TrainingSchemes:
    """The options of `quantize:` in `training:`. Raises ValueError for schemes that training can't have."""

    weights: Any = "float"
    activations: Any = "float"
    gradients: Any = "float"
    rules: tuple[Any, ...] = ()
    schemes: Mapping[str, Any] = field(default_factory=dict)
    skip: tuple[str, ...] = ()
    stages: float = 0.5
    hadamard: int = 0
    stochastic: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.stages < 1:
            raise ValueError(f"stages is a share of the steps below 1, not {self.stages}")
        if self.hadamard & (self.hadamard - 1):
            raise ValueError(f"hadamard is a power of two, not {self.hadamard}")
        if self.stochastic and self.stochastic not in ROUNDED:
            raise ValueError(f"stochastic is one of {', '.join(ROUNDED)}, not '{self.stochastic}'")
        gradient = weight_scheme(self.gradients)
        if gradient is not None and not isinstance(self.gradients, str):
            raise ValueError("gradients have the blocks and scales of the weights: give them a grid only")
        if gradient is None and self.stochastic in ("gradients", "backward"):
            raise ValueError("stochastic rounding of gradients needs a grid for them: 'gradients:'")
        self.all_rules()

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> TrainingSchemes:
        """From plain data. Raises ValueError."""
        options = dict(given)
        skip = options.get("skip", ())
        options["skip"] = (skip,) if isinstance(skip, str) else tuple(skip)
        options["rules"] = tuple(options.get("rules", ()))
        for name in ("stages", "hadamard"):
            if not isinstance(options.get(name, 0), int | float) or isinstance(options.get(name), bool):
                raise ValueError(f"{name} is a number")
        return cls(**options)

    def all_rules(self) -> tuple[Rule, ...]:
        """Skips, the given rules, the schemes for all else."""
        skipped = (Rule(None, name=self.skip, text="skip"),) if self.skip else ()
        plain = activation_scheme(self.activations)
        last = (
            Rule(weight_scheme(self.weights), operand="weight", text="weights"),
            Rule(plain, operand="input", text="activations"),
        )
        return (*skipped, *read_rules(self.rules, self.schemes), *last)


@dataclass(frozen=True)
class FakeInput:
    """How a layer's input is rounded. `scale` is the parameter that holds its scale."""

    scale: str
    grid: str
    surrogate: str = "lsq"
    number: float = 0.0

    @property
    def levels(self) -> Grid:
        """Signed integers take all their codes, as the runtime's do."""
        return full_range(grid(self.grid))


@dataclass(frozen=True)
class FakeLayer:
    """How a layer is rounded: `parameter` is its weight's name, `input` None for a float input."""

    parameter: str
    grid: str
    axis: int | None
    block: int | None
    surrogate: str = "lsq"
    number: float = 0.0
    input: FakeInput | None = None

    @property
    def scale(self) -> str:
        return f"{self.parameter}_scale"

    @property
    def layer(self) -> str:
        """The layer's name as passes have it: the parameter's path without its last part."""
        return self.parameter.rpartition(".")[0] or self.parameter

    @property
    def layout(self) -> Layout:
        return Layout(self.axis, self.block)


@dataclass(frozen=True)
class SimulatedLayer:
    """A layer whose products are simulated, with the attributes of the operator."""

    parameter: str
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class FakePlan:
    """What becomes of every layer, and why others stay float."""

    layers: tuple[FakeLayer, ...] = ()
    simulated: tuple[SimulatedLayer, ...] = ()
    left: tuple[str, ...] = ()

    @property
    def staged(self) -> bool:
        """Whether there are two stages: real weights first."""
        return any(x.surrogate == "sine" for x in self.layers)

    def to_json(self) -> str:
        """The layers with scales; simulated ones leave nothing that a compile would need."""
        rows = []
        for item in self.layers:
            row = {n: getattr(item, n) for n in item.__dataclass_fields__}
            row["input"] = (
                None
                if item.input is None
                else {n: getattr(item.input, n) for n in FakeInput.__dataclass_fields__}
            )
            rows.append(row)
        return json.dumps({"version": 1, "layers": rows, "left": self.left})


def read_plan(text: str) -> FakePlan:
    """The plan in a file's metadata. Raises ValueError for anything else."""
    try:
        given = json.loads(text)
        if given["version"] != 1:
            raise ValueError(f"version {given['version']} is unknown")
        layers = [
            FakeLayer(**{**row, "input": None if row["input"] is None else FakeInput(**row["input"])})
            for row in given["layers"]
        ]
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"this is no record of quantization: {error}") from None
    for item in layers:
        grid(item.grid)
        if item.input is not None:
            grid(item.input.grid)
    return FakePlan(tuple(layers), left=tuple(map(str, given.get("left", ()))))


# --- which layers --------------------------------------------------------------------------------


def plan_layers(program: Program, options: TrainingSchemes, unsigned: Mapping[str, bool]) -> FakePlan:
    """The plan for an infer program whose parameters have values. `unsigned` tells by a layer's weight
    whether its input is never negative (False for those not named). Raises ValueError."""
    layers, simulated, left = [], [], []
    shared: dict[Value, FakeInput] = {}
    rules = options.all_rules()
    for item in trained_layers(program):
        weight, entry = (first_match(rules, item, operand) for operand in ("weight", "input"))
        if weight is None or weight.scheme is None:
            left.append(f"{item.name}: {weight.text if weight is not None else 'no rule'}")
            continue
        name, simulated_here = weight_name(item.node), is_simulated(weight.scheme, options)
        _check_trained(weight.scheme, simulated_here)
        if simulated_here:
            reason = _unsimulated(item)
            if reason:
                left.append(f"{item.name}: {reason}")
            else:
                simulated.append(SimulatedLayer(name, _attributes(weight.scheme, options)))
            continue
        source = None
        if entry is not None and entry.scheme is not None:
            source = shared.setdefault(item.input, _input(name, entry.scheme, unsigned.get(name, False)))
        layers.append(_fake_layer(item, name, weight.scheme, source))
    return FakePlan(tuple(layers), tuple(simulated), tuple(left))


def trained_layers(program: Program) -> list[Layer]:
    """The layers whose weight is a parameter, or one transposed, with its values."""
    nodes = program.graph.nodes
    readers = consumers(nodes)
    found = []
    for node in nodes:
        name, value = weight_name(node), node.inputs[1] if len(node.inputs) > 1 else None
        if not name or value is None or name not in program.weights:
            continue
        array = np.asarray(program.weights[name])
        if value.role != "Parameter":
            array = np.transpose(array, value.node.attribute("perm"))
        axes = weight_axes(node, array)
        if axes is not None:
            feeds = tuple(n.name for n, _ in readers.get(node.outputs[0], ()))
            found.append(Layer(node, name.rpartition(".")[0] or name, value, array, *axes, feeds))
    return found


def weight_name(node: Node) -> str:
    """The parameter that the node multiplies by; empty for any other node."""
    if node.name not in OPERATORS or node.operator.domain or len(node.inputs) < 2:
        return ""
    weight = node.inputs[1]
    if weight is not None and weight.node.name == "Transpose":
        weight = weight.node.inputs[0]
    if weight is None or weight.role != "Parameter" or not weight.tensor.dtype.is_float:
        return ""
    return str(weight.node.attribute("name"))


def is_simulated(scheme: QuantScheme, options: TrainingSchemes) -> bool:
    """Whether scales come from the numbers of each step, or gradients are rounded too."""
    on_grid = scheme.scale not in ("float32", "float16")
    return on_grid or weight_scheme(options.gradients) is not None


def _check_trained(scheme: QuantScheme, simulated: bool) -> None:
    """Raises ValueError for options that training has no use for."""
    if scheme.rounding != "nearest":
        raise ValueError(
            f"rounding '{scheme.rounding}' is for compiling; training rounds to nearest, or see 'stochastic:'"
        )
    if scheme.table:
        raise ValueError("a table is for compiling: training has the grid's own levels")
    clips = ("absmax", "four_over_six") if simulated else ("absmax", "mse")
    if scheme.clip not in clips:
        how = (
            "simulated products take" if simulated else "scales are learned, from the least squared error on:"
        )
        raise ValueError(f"clip '{scheme.clip}' is for compiling; {how} {' or '.join(clips)}")
    if simulated and scheme.axis == "tensor":
        raise ValueError("simulated products have scales for blocks: give a block")
    if not simulated and scheme.scale != "float32":
        raise ValueError(f"scales that are learned are float32, not {scheme.scale}")


def _unsimulated(item: Layer) -> str:
    """Why there is no simulated product for the layer; empty where there is one."""
    node = item.node
    if node.name == "Conv":
        plain = node.attribute("group", 1) == 1 and item.array.ndim == 4
        return "" if plain else "only convolutions of one group and two axes are simulated"
    if node.name == "Gemm":
        plain = node.attribute("alpha", 1.0) == 1 == node.attribute("beta", 1.0)
        return "" if plain and not node.attribute("transA", 0) else "a Gemm with factors is not simulated"
    return "" if node.name == "MatMul" else f"{node.name} is not simulated"


def _attributes(scheme: QuantScheme, options: TrainingSchemes) -> dict[str, Any]:
    backward = weight_scheme(options.gradients)
    found: dict[str, Any] = {
        "levels": scheme.levels().levels,
        "block_size": scheme.block or 16,
        "scale": scheme.scale if scheme.scale != "float16" else "float32",
        "tensor_scale": int(scheme.tensor_scale),
        "four_over_six": int(scheme.clip == "four_over_six"),
        "hadamard": options.hadamard,
        "stochastic": options.stochastic,
    }
    return found if backward is None else {**found, "backward_levels": backward.levels().levels}


def _input(name: str, scheme: QuantScheme, unsigned: bool) -> FakeInput:
    found = scheme.levels()
    if scheme.axis != "tensor" or scheme.dynamic or scheme.searches_exponent:
        raise ValueError("in training the scale of activations is one learned number: no axis, block, search")
    _check_trained(scheme, simulated=False)
    text = scheme.grid
    if found.integer and found.levels[0] < 0 and unsigned and found.name != "ternary":
        text = f"uint{found.bits}"
    surrogate, number = read_surrogate(scheme.surrogate)
    if surrogate == "sine":
        raise ValueError("the surrogate sine is for weights")
    return FakeInput(f"{name}_input_scale", text, surrogate, number or 0.0)


def _fake_layer(item: Layer, name: str, scheme: QuantScheme, source: FakeInput | None) -> FakeLayer:
    if scheme.zero or scheme.searches_exponent:
        raise ValueError("weights that are trained have no zero point and no searched exponent")
    layout = scheme.layout(item.array.ndim, item.out_axis, item.in_axis)
    if layout.block is not None and layout.block > item.array.shape[item.in_axis]:
        layout = Layout(item.out_axis)
    surrogate, number = read_surrogate(scheme.surrogate)
    if surrogate == "sine":
        if scheme.grid != "binary":
            raise ValueError("the surrogate sine goes with the grid binary")
        number = number or frequency(float(np.abs(item.array).mean()))
    return FakeLayer(name, scheme.grid, layout.axis, layout.block, surrogate, number or 0.0, source)


# --- first scales ------------------------------------------------------------------------------------


def weight_scales(program: Program, plan: FakePlan) -> dict[str, Array]:
    """A first scale for every weight: the least squared error on its first values."""
    found: dict[str, Array] = {}
    arrays = {weight_name(x.node): x.array for x in trained_layers(program)}
    for item in plan.layers:
        array = np.asarray(arrays[item.parameter], np.float32)
        levels = grid(item.grid)
        scales: Scales = find_scales(
            item.layout.groups(array), levels, scale_format("float32", 1.0, levels, False), "mse"
        )
        found[item.scale] = scales.scale.reshape(item.layout.scale_shape(array.shape)).astype(np.float32)
    return found


# --- the nodes ---------------------------------------------------------------------------------------


def insert(program: Program, plan: FakePlan, scales: Mapping[str, Array], soft: bool = False) -> Program:
    """The program with the plan's layers rounded. `soft` is the first of two stages. Layers that the
    program does not have are left out."""
    fakes = {x.parameter: x for x in plan.layers}
    products = {x.parameter: x for x in plan.simulated}
    made = Insertion(soft)
    sites = []
    for node in program.graph.nodes:
        name = weight_name(node)
        if name in fakes:
            sites.append(Replacement((node.outputs[0],), (made.rounded(node, fakes[name]),), "fake"))
        elif name in products:
            sites.append(Replacement((node.outputs[0],), (made.product(node, products[name]),), "fake"))
    if not sites:
        return program
    moved = moved_by(program, sites)
    leaves = (*program.graph.inputs, *made.leaves.values())
    outputs = tuple(moved.get(v, v) for v in program.graph.outputs)
    arrays = {n: a for n, a in scales.items() if n in made.leaves}
    return replace(
        program,
        graph=Graph(leaves, outputs),
        names={n: moved.get(v, v) for n, v in program.names.items()},
        origins={moved.get(v, v): o for v, o in program.origins.items()},
        initializers={**program.initializers, **made.draws},
        weights=program.weights.with_arrays(arrays),
        metadata={**program.metadata, **({QUANTIZATION_KEY: plan.to_json()} if plan.layers else {})},
    )


@dataclass
class Insertion:
    """New forms of layers, and the leaves that they need."""

    soft: bool
    leaves: dict[str, Value] = field(default_factory=dict)
    draws: dict[str, Value] = field(default_factory=dict)

    def _parameter(self, name: str, shape: tuple[int, ...]) -> Value:
        return self.leaves.setdefault(name, leaf("Parameter", name, TensorType(FLOAT32, shape)))

    def rounded(self, node: Node, item: FakeLayer) -> Value:
        """The layer on rounded operands."""
        x, weight = node.inputs[0], node.inputs[1]
        assert x is not None and weight is not None
        shape = item.layout.scale_shape(tuple(int(d) for d in weight.tensor.shape if isinstance(d, int)))
        weight = apply(
            "FakeQuantize",
            weight,
            self._parameter(item.scale, shape),
            domain="graphwright",
            levels=grid(item.grid).levels,
            axis=item.axis or 0,
            block_size=item.block or 0,
            surrogate=item.surrogate,
            parameter=float(item.number),
            soft=int(self.soft and item.surrogate == "sine"),
        )
        if item.input is not None:
            x = apply(
                "FakeQuantize",
                x,
                self._parameter(item.input.scale, ()),
                domain="graphwright",
                levels=item.input.levels.levels,
                surrogate=item.input.surrogate,
                parameter=float(item.input.number),
            )
        return rebuild(node, (x, weight, *node.inputs[2:])).outputs[0]

    def product(self, node: Node, item: SimulatedLayer) -> Value:
        """The layer as a simulated product, and its bias."""
        x, weight = node.inputs[0], node.inputs[1]
        assert x is not None and weight is not None
        key = self._key(f"{item.parameter}_key")
        bias = node.inputs[2] if len(node.inputs) > 2 else None
        if node.name == "Conv":
            shared = {n: a for n, a in node.attributes.items() if n != "group"}
            found = apply(
                "SimulatedConv", x, weight, key, domain="graphwright", **_plain(shared), **item.attributes
            )
            if bias is not None:
                bias = apply("Reshape", bias, constant(np.array([-1, 1, 1], np.int64)))
        else:
            if node.attribute("transB", 0):
                weight = apply("Transpose", weight, perm=(1, 0))
            found = apply("SimulatedMatMul", x, weight, key, domain="graphwright", **item.attributes)
        return found if bias is None else apply("Add", found, bias)

    def _key(self, name: str) -> Value:
        if name not in self.leaves:
            self.leaves[name] = leaf("Noise", name, TensorType(FLOAT32, ()))
            self.draws[name] = leaf("Draw", name, TensorType(FLOAT32, ()), kind="uniform", bits=24)
        return self.leaves[name]


def _plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {n: a.value for n, a in attributes.items()}


def fed_inputs(program: Program, plan: FakePlan) -> dict[str, Value]:
    """The values that the plan's inputs round, by the name of their scale (of a program without the
    nodes)."""
    wanted = {x.parameter: x.input.scale for x in plan.layers if x.input is not None}
    found: dict[str, Value] = {}
    for node in program.graph.nodes:
        name = weight_name(node)
        if name in wanted and node.inputs[0] is not None:
            found.setdefault(wanted[name], node.inputs[0])
    return found


def layer_inputs(program: Program, names: Sequence[str]) -> dict[str, Value]:
    """The input of the layer of each weight."""
    found: dict[str, Value] = {}
    for node in program.graph.nodes:
        name = weight_name(node)
        if name in names and node.inputs[0] is not None:
            found.setdefault(name, node.inputs[0])
    return found
