"""The pass that gives weights and activations their quantized types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from ...graph.diagnostics import did_you_mean, fail
from ...graph.ir import Node, Origin, Program, Value, apply, consumers, rebuild, topological
from ...graph.types import FLOAT32
from ...graph.types.grids import grid
from ..manager.application import moved_by
from ..manager.contract import Budget, Contract
from ..manager.pass_ import Context, Replacement, Result
from .bias import whole_bias
from .calibration import Batches, calibration_batches, divergence, not_finite, observe, run
from .codes import Store, static_activation, weight_value
from .coverage import Row, costs, float_row, left_row, notes, quantized_row
from .dynamic import dynamic_activation
from .mixed import allocate, sensitivity
from .observers import Observer
from .operands import Layer, Left, constant_array, find_layers, stored_names
from .rounding import QuantizedArray
from .rules import Rule, first_match, read_rules, within
from .scheme import QuantScheme, activation_scheme, weight_scheme
from .statistics import has_rows
from .timing import layer_milliseconds, slower_than_float
from .weights import fitted, optimised_weights, plain_weights

Array = np.ndarray[Any, Any]

OPTIMISED = ("gptq", "adaround", "descent")
LARGEST = 1e16
"""Of a layer's inputs, where their products are summed in float32."""


@dataclass(frozen=True)
class Quantize:
    """Quantizes the weights and inputs of MatMul, Gemm and Conv.

    `weights` and `activations` are schemes (a grid, a preset, a mapping of options, or float) for what no
    rule of `rules:` matches before; `skip` names layers that stay float. `rounding` replaces the
    schemes' own; `bias_correction` adds each channel's mean error to its bias; `coverage` is the
    least share of weights that must be quantized; `costs` measures what each layer does alone. With
    `average_bits` (a weight, scales included), `max_bytes` (of all layers' weights) or `max_ms` (of one
    calibration batch in all layers, measured on the runtime) each layer's grid is one of `choices`, so
    that all together change the outputs least within that; for milliseconds float is a choice too.
    `never_slower` leaves the inputs of a layer float where the runtime runs it no faster with rounded ones,
    as measured on a calibration batch; without it, that is so where the model is compiled for ONNX.
    Softmax, masks and sums are never touched.
    """

    name: ClassVar[str] = "quantize"
    variants: ClassVar[frozenset[str]] = frozenset({"infer"})

    weights: Any = "int8"
    activations: Any = "float"
    rules: tuple[Any, ...] = ()
    schemes: Mapping[str, Any] = field(default_factory=dict)
    skip: tuple[str, ...] = ()
    per_channel: bool = True
    rounding: str | None = None
    bias_correction: bool = False
    coverage: float = 0.0
    average_bits: float | None = None
    max_bytes: int | None = None
    max_ms: float | None = None
    choices: tuple[str, ...] = ("int2", "int3", "int4", "int8")
    costs: bool = True
    never_slower: bool | None = None
    metric: str = "accuracy"
    max_drop: float = 0.01

    def __post_init__(self) -> None:
        self.all_rules()
        if sum(x is not None for x in (self.average_bits, self.max_bytes, self.max_ms)) > 1:
            raise ValueError("one budget: average_bits, max_bytes or max_ms")
        if not self.choices:
            raise ValueError("mixed precision needs grids to choose from: 'choices:'")
        for name in self.choices:
            grid(name)  # raises ValueError for none
        if not 0 <= self.coverage <= 1:
            raise ValueError(f"coverage is a share of the weights, 0 to 1, not {self.coverage}")

    @property
    def is_mixed(self) -> bool:
        return any(x is not None for x in (self.average_bits, self.max_bytes, self.max_ms))

    @property
    def contract(self) -> Contract:
        return Budget(self.metric, self.max_drop)

    def all_rules(self) -> tuple[Rule, ...]:
        """The rules in order: skips, the recipe's, the schemes for everything else."""
        skipped = (Rule(None, name=self.skip, text="skip"),) if self.skip else ()
        weights = self._adjusted(weight_scheme(self.weights))
        last = (
            Rule(weights, operand="weight", text="weights"),
            Rule(activation_scheme(self.activations), operand="input", text="activations"),
        )
        given = tuple(
            replace(r, scheme=self._adjusted(r.scheme)) for r in read_rules(self.rules, self.schemes)
        )
        return (*skipped, *given, *last)

    def _adjusted(self, scheme: QuantScheme | None) -> QuantScheme | None:
        if scheme is None:
            return None
        if not self.per_channel and scheme.axis == "out":
            scheme = replace(scheme, axis="tensor")
        return replace(scheme, rounding=self.rounding) if self.rounding else scheme

    def run(self, program: Program, context: Context) -> Result:
        return Quantization(self, program, context).run()


@dataclass(frozen=True)
class Plan:
    """What is to become of a layer."""

    layer: Layer
    weight: QuantScheme
    activation: QuantScheme | None
    note: str = ""


class Quantization:
    """One run of the pass."""

    def __init__(self, options: Quantize, program: Program, context: Context) -> None:
        self.options, self.program, self.context = options, program, context
        self.store = Store()
        self.rows: list[Row] = []
        self.sites: list[Replacement] = []
        self.observers: dict[Value, Observer] = {}
        self.edges: dict[Value, QuantScheme] = {}
        self.coded: dict[tuple[Value, QuantScheme], Value] = {}
        self.plans: list[Plan] = []
        self.inputs: dict[Value, list[Array]] = {}
        self.sensitivity: list[str] = []
        self.unused: tuple[str, ...] = ()
        self.latest: tuple[Value, list[Array]] | None = None
        self.readers = consumers(program.graph.nodes)
        self.prefix: list[dict[Value, Array]] = []

    def run(self) -> Result:
        layers, left = find_layers(self.program)
        self.unused = self._unused_skips(layers)
        plans = [p for layer in layers if (p := self._plan(layer)) is not None]
        self._check_coverage(plans, layers, left)
        if self.options.is_mixed and plans:
            plans = self._mixed(plans)
        self.plans = plans = self._with_float_inputs(plans)
        self._observe(plans)
        results = {p.layer.node.outputs[0] for p in plans}
        self.sites += [self._edge_site(v, s) for v, s in self.edges.items() if v not in results]
        for plan in plans:
            self.sites.append(self._layer_site(plan))
        self.rows += [left_row(item) for item in left]
        hits = {"layer": len(plans), "result": len(self.edges)}
        if not plans:
            return Result(self.program, notes=(*notes(self.rows), *self.sensitivity))
        text = (*notes(self.rows), *self.unused, *self.sensitivity, *self._costs(plans))
        return Result(self._applied(self.sites), tuple(self.sites), text, hits)

    def _costs(self, plans: Sequence[Plan]) -> tuple[str, ...]:
        """What each layer does alone to the first output on the first calibration batch; nothing without
        data, or where that output is no vector of logits."""
        batches = self.context.data.get(self.context.calibration or "calibration")
        outputs = self.program.graph.outputs
        if not batches or not self.options.costs or not outputs or outputs[0].tensor.dtype is not FLOAT32:
            return ()
        before = self._run([outputs[0]], batches[0])[0]
        if before.ndim < 2:
            return ()
        sites = self.sites[-len(plans) :]
        found = [
            (p.layer.name, self._alone(site, before, batches[0]))
            for p, site in zip(plans, sites, strict=True)
        ]
        return (costs(found),)

    def _alone(self, site: Replacement, before: Array, batch: Mapping[str, Array]) -> float:
        """The divergence of the first output from `before` with this site alone replaced."""
        first = self.program.graph.outputs[0]
        value = moved_by(self.program, [site]).get(first, first)
        probe = replace(self.program.with_graph((value,)), output_names=("~",), updates=())
        after = run(replace(probe, weights=self._weights_so_far()), [value], batch)[value]
        return divergence(before, after)

    def _mixed(self, plans: Sequence[Plan]) -> list[Plan]:
        """The plans with the grid of each layer chosen among `choices`. Raises SpecError G1042 for a
        budget that the narrowest grids exceed."""
        batch = self._batches("mixed precision")[0]
        before = self._run([self.program.graph.outputs[0]], batch)[0]
        self.plans = list(plans)  # whose inputs are looked at
        priced = [self._priced(plan, before, batch) for plan in plans]
        prices, sizes = [p for p, _ in priced], [s for _, s in priced]
        total = sum(p.layer.array.size for p in plans)
        budget, unit = self._budget(total)
        try:
            chosen = allocate(prices, sizes, budget, unit)
        except ValueError as error:
            raise fail("G1042", str(error)) from None
        names = (*self.options.choices, "float")
        self.sensitivity = [
            sensitivity(p.layer.name, names, row, i) for p, row, i in zip(plans, prices, chosen, strict=True)
        ]
        made = []
        for plan, choice in zip(plans, chosen, strict=True):
            if choice == len(self.options.choices):
                self.rows.append(float_row(plan.layer, "float is best within the milliseconds"))
            else:
                made.append(replace(plan, weight=self._choices(plan)[choice]))
        return made

    def _budget(self, weights: int) -> tuple[float, str]:
        options = self.options
        if options.max_ms is not None:
            return options.max_ms, "ms"
        if options.max_bytes is not None:
            return 8.0 * options.max_bytes, "bits"
        assert options.average_bits is not None
        return options.average_bits * weights, "bits"

    def _priced(
        self, plan: Plan, before: Array, batch: Mapping[str, Array]
    ) -> tuple[list[float], list[float]]:
        """(what each choice changes, what it takes) for one layer."""
        schemes, node = self._choices(plan), plan.layer.node
        arrays = [self._rounded_alone(plan, s) for s in schemes]
        prices = []
        for i, array in enumerate(arrays):
            value = weight_value(array, f"{plan.layer.name}_{i}", self.store)
            new = rebuild(node, (plan.layer.input, value, *node.inputs[2:])).outputs[0]
            prices.append(self._alone(Replacement((node.outputs[0],), (new,), "layer"), before, batch))
        if self.options.max_ms is None:
            return prices, [a.bits * a.codes.size for a in arrays]
        x = self._run([plan.layer.input], batch)[0]
        forms = [(s, plan.activation) for s in schemes]
        return [*prices, 0.0], layer_milliseconds(plan.layer, [*forms, (None, None)], x)

    def _rounded_alone(self, plan: Plan, scheme: QuantScheme) -> QuantizedArray:
        """The layer's weights in a scheme, by its own rounding, where all other layers are float."""
        if scheme.rounding not in OPTIMISED:
            return plain_weights(plan.layer, scheme)
        rows = self._float_inputs(scheme.rounding)[plan.layer.input]
        return optimised_weights(plan.layer, scheme, [(x, x) for x in rows])

    def _choices(self, plan: Plan) -> list[QuantScheme]:
        return [replace(plan.weight, grid=name) for name in self.options.choices]

    # --- which ---

    def _unused_skips(self, layers: Sequence[Layer]) -> tuple[str, ...]:
        """A remark for each name in `skip` that no layer has: a recipe may be for many graphs."""
        unused = [n for n in self.options.skip if not any(within(x.name, n) for x in layers)]
        names = [x.name for x in layers]
        return tuple(
            f"skip: no layer is called '{n}' {did_you_mean(n, names) or ''}".rstrip() for n in unused
        )

    def _plan(self, layer: Layer) -> Plan | None:
        rules = self.options.all_rules()
        weight, activation = (first_match(rules, layer, operand) for operand in ("weight", "input"))
        if weight is None or weight.scheme is None:
            text = weight.text if weight is not None else "no rule"
            self.rows.append(float_row(layer, "left out by skip" if text == "skip" else f"rule '{text}'"))
            return None
        if not np.isfinite(layer.array).all():
            origin = self.program.origin(layer.node.outputs[0])
            raise fail(
                "G1043",
                f"the weights of '{layer.name}' have NaN or infinite numbers",
                origin.spans[0] if origin.spans else None,
            )
        scheme, note = fitted(weight.scheme, layer)
        if scheme.rounding in OPTIMISED and not has_rows(layer):
            scheme, note = replace(scheme, rounding="nearest"), "grouped: rounded to nearest"
        return Plan(layer, scheme, activation.scheme if activation is not None else None, note)

    def _check_coverage(self, plans: Sequence[Plan], layers: Sequence[Layer], left: Sequence[Left]) -> None:
        total = sum(x.array.size for x in layers) + sum(x.elements for x in left)
        covered = sum(p.layer.array.size for p in plans) / max(total, 1)
        if covered < self.options.coverage:
            names = [(r.elements, f"{r.name} ({r.reason})") for r in self.rows]
            names += [(x.elements, f"{x.name} ({x.reason})") for x in left]
            largest = "; ".join(n for _, n in sorted(names, reverse=True)[:3])
            raise fail(
                "G1044",
                f"{100 * covered:.1f} % of the weights are quantized, fewer than "
                f"{100 * self.options.coverage:g} %: {largest}",
            )

    def _with_float_inputs(self, plans: Sequence[Plan]) -> list[Plan]:
        """The plans, with float inputs where rounding them does not make the layer faster."""
        wanted, for_onnx = self.options.never_slower, self.context.backend == "onnx"
        batches = self.context.data.get(self.context.calibration or "calibration")
        rounded = [p for p in plans if p.activation is not None]
        if not (for_onnx if wanted is None else wanted) or not batches or not rounded:
            return list(plans)
        inputs = list(dict.fromkeys(p.layer.input for p in rounded))
        arrays = dict(zip(inputs, self._run(inputs, batches[0]), strict=True))
        return [self._faster(p, arrays.get(p.layer.input)) for p in plans]

    def _faster(self, plan: Plan, x: Array | None) -> Plan:
        if plan.activation is None or x is None:
            return plan
        text = slower_than_float(plan.layer, plan.weight, plan.activation, x)
        note = "; ".join(filter(None, (plan.note, text)))
        return replace(plan, activation=None, note=note) if text else plan

    # --- what was seen ---

    def _observe(self, plans: Sequence[Plan]) -> None:
        static = [p for p in plans if p.activation is not None and not p.activation.dynamic]
        wanted = [p.layer.input for p in static]
        for plan in static:
            if plan.layer.node.name == "Conv" and plan.activation is not None:
                self.edges[_after_activation(plan.layer.node, self.readers)] = plan.activation
        wanted += list(self.edges)
        if wanted:
            unique = list(dict.fromkeys(wanted))
            ranges = not any(_needs_histogram(p.activation) for p in static if p.activation is not None)
            batches = self._batches("a static scale")
            self.observers = observe(self.program, unique, batches, histogram=not ranges)

    def _batches(self, purpose: str) -> Batches:
        return calibration_batches(self.context, purpose)

    # --- what it becomes ---

    def _activation(self, x: Value, scheme: QuantScheme) -> Value:
        if (x, scheme) not in self.coded:
            fixed = not scheme.dynamic
            self.coded[x, scheme] = (
                static_activation(x, scheme, self.observers[x]) if fixed else dynamic_activation(x, scheme)
            )
        return self.coded[x, scheme]

    def _edge_site(self, value: Value, scheme: QuantScheme) -> Replacement:
        return Replacement((value,), (self._activation(value, scheme),), "result")

    def _layer_site(self, plan: Plan) -> Replacement:
        layer, node = plan.layer, plan.layer.node
        x = layer.input
        fed = x
        if plan.activation is not None and x not in self.edges:
            fed = self._activation(x, plan.activation)
        array = self._weights(plan, fed)
        self.rows.append(quantized_row(layer, plan.weight, array, plan.note))
        weight = weight_value(array, layer.name, self.store)
        new = rebuild(node, (fed, weight, *node.inputs[2:]))
        result = new.outputs[0]
        if self.options.bias_correction:
            result = self._corrected(layer, new)
        if node.name == "Conv" and plan.activation is not None:
            result = self._with_whole_bias(plan, result.node, array)
        return Replacement((node.outputs[0],), (self._result(node.outputs[0], result),), "layer")

    def _result(self, old: Value, new: Value) -> Value:
        """The new result, rounded where the old one is an edge itself: a convolution that nothing is absorbed
        into."""
        if old not in self.edges:
            return new
        self.observers[new] = self.observers[old]
        return self._activation(new, self.edges[old])

    def _weights(self, plan: Plan, fed: Value) -> QuantizedArray:
        if plan.weight.rounding not in OPTIMISED:
            return plain_weights(plan.layer, plan.weight, self.context.seed)
        before = self._float_inputs(plan.weight.rounding)[plan.layer.input]
        after = self._quantized_inputs(plan.layer, fed, plan.weight.rounding)
        return optimised_weights(plan.layer, plan.weight, list(zip(before, after, strict=True)))

    def _float_inputs(self, purpose: str) -> dict[Value, list[Array]]:
        """The inputs of all layers whose rounding needs them, batch by batch, in one run."""
        if not self.inputs:
            wanted = list(dict.fromkeys(p.layer.input for p in self.plans if p.weight.rounding in OPTIMISED))
            for batch in self._batches(purpose):
                for value, array in run(self.program, wanted, batch).items():
                    if not np.abs(array).max(initial=0) < LARGEST:
                        raise not_finite(self.program, value, [batch], "NaN, infinite or too large to square")
                    self.inputs.setdefault(value, []).append(array)
        return self.inputs

    def _quantized_inputs(self, layer: Layer, fed: Value, purpose: str) -> list[Array]:
        """What a layer gets from the layers quantized so far. Layers that read the same value share it:
        equal values are one, so only the last is kept. What later layers need of the way there is kept too,
        so that each step computes only what is new."""
        probe = replace(self._probe(fed), weights=self._weights_so_far())
        moving = moved_by(probe, self.sites)
        target = moving.get(fed, fed)
        if self.latest is not None and self.latest[0] is target:
            return self.latest[1]
        probe = probe.with_graph((target,))
        batches = self._batches(purpose)
        self.prefix = self.prefix or [{} for _ in batches]
        wanted = dict.fromkeys([target, *(moving.get(v, v) for v in self._needed_later(layer))])
        for i, batch in enumerate(batches):
            self.prefix[i] = run(probe, list(wanted), batch, known=self.prefix[i])
        self.latest = target, [known[target] for known in self.prefix]
        return self.latest[1]

    def _needed_later(self, layer: Layer) -> list[Value]:
        """The values on the way to the layer's input that are read beside it."""
        nodes = topological([layer.input])
        inside = set(nodes)
        return [
            v
            for node in nodes
            for v in node.outputs
            if not v.is_leaf and any(n not in inside for n, _ in self.readers.get(v, ()))
        ]

    def _probe(self, value: Value) -> Program:
        return replace(self.program.with_graph((value,)), output_names=("~probe",), updates=())

    def _corrected(self, layer: Layer, new: Node) -> Value:
        """The result with each channel's mean error on calibration data added."""
        axis = 1 if layer.node.name.startswith("Conv") else new.outputs[0].tensor.rank - 1
        total, count = 0.0, 0
        for batch in self._batches("bias correction"):
            before = self._run([layer.node.outputs[0]], batch)[0].astype(np.float64)
            difference = np.moveaxis(before - self._run_quantized(new.outputs[0], batch), axis, 0)
            flat = difference.reshape(len(difference), -1)
            total, count = total + flat.sum(axis=1), count + flat.shape[1]
        shift = np.asarray(total / max(count, 1), np.float32)
        if new.name in ("Conv", "Gemm", "ConvTranspose"):
            bias = new.inputs[2] if len(new.inputs) > 2 else None
            held = np.zeros(1) if bias is None else self._array(bias)
            if held is not None:
                together = self.store.put((held + shift).astype(np.float32), f"{layer.name}_bias")
            else:
                together = apply("Add", bias, self.store.put(shift, f"{layer.name}_shift"))
            return rebuild(new, (new.inputs[0], new.inputs[1], together)).outputs[0]
        return apply("Add", new.outputs[0], self.store.put(shift, f"{layer.name}_shift"))

    def _with_whole_bias(self, plan: Plan, new: Node, array: QuantizedArray) -> Value:
        """The convolution's result with the bias that the runtime's integer kernel adds, where it has one."""
        assert plan.activation is not None
        x, bias = plan.layer.input, new.inputs[2] if len(new.inputs) > 2 else None
        fed = self._activation(x, self.edges[x]) if x in self.edges else new.inputs[0]
        assert fed is not None
        held = None if bias is None else self._array(bias)
        entry = fed.node.inputs[1] if fed.node.name == "DequantizeLinear" else None
        scale = entry.constant if entry is not None else None
        if held is None or scale is None:
            return new.outputs[0]
        whole = whole_bias(held, array, float(scale), plan.activation.levels().bits < 8)
        if whole is None:
            return new.outputs[0]
        added = self.store.put(whole, f"{plan.layer.name}_bias")
        return rebuild(new, (new.inputs[0], new.inputs[1], added)).outputs[0]

    def _array(self, value: Value) -> Array | None:
        """A constant's array, of the program or made so far."""
        found = constant_array(value, self.program)
        return self.store.arrays.get(value.node.attribute("name", "")) if found is None else found

    def _run(self, values: Sequence[Value], batch: Mapping[str, Array]) -> list[Array]:
        found = run(self.program, values, batch)
        return [found[v] for v in values]

    def _moved(self, value: Value) -> tuple[Value, Program]:
        """What becomes of the value where the layers so far are quantized, and a program that computes
        it."""
        probe = replace(self._probe(value), weights=self._weights_so_far())
        moved = moved_by(probe, self.sites).get(value, value)
        return moved, probe.with_graph((moved,))

    def _run_quantized(self, value: Value, batch: Mapping[str, Array]) -> Array:
        """A value built on the program's own, where the layers so far are quantized."""
        moved, probe = self._moved(value)
        return run(probe, [moved], batch)[moved]

    def _weights_so_far(self) -> Any:
        return self.program.weights.with_arrays(self.store.arrays)

    def _applied(self, sites: Sequence[Replacement]) -> Program:
        program = replace(self.program, weights=self._weights_so_far())
        moved = moved_by(program, sites)
        names = {n: moved.get(v, v) for n, v in program.names.items()}
        origins: dict[Value, Origin] = {moved.get(v, v): o for v, o in program.origins.items()}
        outputs = tuple(moved.get(v, v) for v in program.graph.outputs)
        made = program.with_graph(outputs, names=names, origins=origins)
        return replace(made, weights=made.weights.only(stored_names(made)))


def _needs_histogram(scheme: QuantScheme) -> bool:
    return scheme.clip != "absmax" or scheme.searches_exponent


def _after_activation(node: Node, readers: Mapping[Value, Sequence[tuple[Node, int]]]) -> Value:
    """The convolution's result, after a Relu or Clip that alone reads it: the runtime absorbs both into
    the quantized result."""
    value = node.outputs[0]
    users = readers.get(value, ())
    if len(users) == 1 and users[0][0].name in ("Relu", "Clip") and users[0][1] == 0:
        return users[0][0].outputs[0]
    return value
