"""The pass that writes quantized layers in the form that the runtime has kernels for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from ...graph.diagnostics import SpecError
from ...graph.ir import Node, Origin, Program, Value, apply, constant, consumers, make_node, rebuild
from ...graph.ir.quantized import DEQUANTIZE
from ...graph.types.dtypes import FLOAT32
from ..manager.application import moved_by
from ..manager.contract import Contract, Exact
from ..manager.pass_ import Context, Replacement, Result
from .codes import Store, as_float32
from .kernels import Candidate, choose, fused_operators, missing_kernels
from .operands import OPERATORS, constant_array, stored_names
from .packing import int8_levels, unpacked_value
from .squares import Squares, squares

Array = np.ndarray[Any, Any]

KERNELS_KEY = "graphwright.kernels"
"""Metadata: how many of each kernel the optimized graph must have, as `MatMulNBits=3 QLinearConv=2`."""


@dataclass(frozen=True)
class Stored:
    """The constant operand of a dequantization: its codes as indices of `levels`, and their layout."""

    node: Node
    codes: Array
    levels: Array
    scale: Array
    zero: Array | None
    axis: int
    block: int
    name: str
    symmetric: bool

    @property
    def layer(self) -> str:
        return self.name.removesuffix("_codes")

    @property
    def bits(self) -> int:
        return max(1, (len(self.levels) - 1).bit_length())

    @property
    def integral(self) -> Array | None:
        """The levels times the least of a few factors that makes them int8; None where none does."""
        return int8_levels(self.levels)


@dataclass(frozen=True)
class LowerQuantized:
    """Packs codes of at most 4 bits, and writes every quantized layer for an integer kernel where one
    runs it: int8 with its scales at the output channels (codes of 1 to 4 bits are looked up in a table
    of int8), MatMulNBits for blocks, float otherwise. `carrier` forces one; `rows` is the number of
    rows of the products that the choice by measurement is made for.
    The last pass of a recipe."""

    name: ClassVar[str] = "lower_quantized"
    variants: ClassVar[frozenset[str]] = frozenset({"infer"})

    carrier: Literal["auto", "lut", "nbits", "float"] = "auto"
    rows: int = 64

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise ValueError(f"rows counts the rows of a product, at least 1, not {self.rows}")

    @property
    def contract(self) -> Contract:
        return Exact("algebra")

    def run(self, program: Program, context: Context) -> Result:
        found = Lowering(self, program).run()
        if self.carrier != "auto" or "MatMulNBits" not in found.program.metadata.get(KERNELS_KEY, ""):
            return found
        # A product that the runtime fuses alone it may not fuse between its neighbours.
        return found if self._fuses(found.program) else Lowering(replace(self, carrier="lut"), program).run()

    def _fuses(self, program: Program) -> bool:
        from ...backends.onnx.capabilities import RuntimeKernels
        from ...backends.onnx.emitting.emission import emit

        try:
            model = emit(program, kernels=RuntimeKernels()).SerializeToString()
        except SpecError:
            return True
        return not missing_kernels(program.metadata[KERNELS_KEY], fused_operators(model))


class Lowering:
    """One run of the pass."""

    def __init__(self, options: LowerQuantized, program: Program) -> None:
        self.options, self.program = options, program
        self.store = Store()
        self.kernels: Counter[str] = Counter()
        self.notes: list[str] = []
        self.sites: list[Replacement] = []

    def run(self) -> Result:
        nodes = self.program.graph.nodes
        self.readers = consumers(nodes)
        sites, hits = self.sites, Counter[str]()
        for node in nodes:
            stored = self._stored(node)
            if stored is None:
                continue
            users = self.readers.get(node.outputs[0], ())
            for user, position in users:
                if user.name in DEQUANTIZE and position == 1:
                    continue  # codes of scales, which go with what they scale
                site, kind = self._site(stored, user, position)
                if site is not None:
                    sites.append(site)
                hits[kind] += 1
                if self.options.carrier == "nbits" != kind:
                    self.notes.append(f"{stored.layer}: {kind}; MatMulNBits takes no such {user.name}")
        if not sites and not hits:
            return Result(self.program, notes=("nothing is quantized",))
        return self._result(sites, hits)

    def _result(self, sites: Sequence[Replacement], hits: Mapping[str, int]) -> Result:
        weights = self.program.weights.with_arrays(self.store.arrays)
        program = replace(self.program, weights=weights)
        moved = moved_by(program, sites)
        origins: dict[Value, Origin] = {moved.get(v, v): o for v, o in program.origins.items()}
        made = program.with_graph(
            tuple(moved.get(v, v) for v in program.graph.outputs),
            names={n: moved.get(v, v) for n, v in program.names.items()},
            origins=origins,
        )
        made = replace(made, weights=weights.only(stored_names(made)))
        text = " ".join(f"{k}={n}" for k, n in sorted(self.kernels.items()))
        if text:
            made = replace(made, metadata={**made.metadata, KERNELS_KEY: text})
        kinds = ", ".join(f"{n} {kind}" for kind, n in hits.items())
        head = f"carriers: {kinds}" + (f"; kernels expected: {text}" if text else "")
        return Result(made, tuple(sites), (head, *self.notes), dict(hits), scratch=self.store.arrays)

    # --- one layer ---

    def _stored(self, node: Node) -> Stored | None:
        """What a dequantization of constants holds; None for any other node."""
        if node.name not in DEQUANTIZE or node.inputs[0] is None or node.inputs[1] is None:
            return None
        codes = constant_array(node.inputs[0], self.program)
        scale = self._scale(node.inputs[1])
        if codes is None or scale is None or codes.ndim < 2:
            return None
        name = str(node.inputs[0].node.attribute("name", "codes")).split("~")[0]
        axis, block = node.attribute("axis") % codes.ndim, node.attribute("block_size")
        if node.operator.domain:
            levels = np.asarray(node.attribute("levels"), np.float64)
            return Stored(node, codes.astype(np.uint8), levels, scale, None, axis, block, name, True)
        zero = (
            constant_array(node.inputs[2], self.program) if len(node.inputs) > 2 and node.inputs[2] else None
        )
        whole = codes.astype(np.int16)
        low, high = int(whole.min()), int(whole.max())
        levels = np.arange(low, high + 1, dtype=np.float64)
        return Stored(
            node, (whole - low).astype(np.uint8), levels, scale, zero, axis, block, name, zero is None
        )

    def _scale(self, value: Value) -> Array | None:
        """The scales in float32, from the form that `codes.weight_value` gives them."""
        found = constant_array(value, self.program)
        if found is not None:
            return found
        inner = value.node
        parts = [constant_array(v, self.program) for v in inner.inputs if v is not None]
        if inner.name == "Cast" and parts[0] is not None:
            return parts[0].astype(np.float32)
        if inner.name == "Mul" and inner.inputs[0] is not None and parts[1] is not None:
            narrow = self._scale(inner.inputs[0])
            return None if narrow is None else narrow * parts[1]
        if inner.name != "Dequantize" or parts[0] is None or parts[1] is None:
            return None
        return np.asarray(inner.attribute("levels"), np.float32)[parts[0].astype(np.int64)] * parts[1]

    def _site(self, stored: Stored, user: Node, position: int) -> tuple[Replacement | None, str]:
        """What becomes of one use of the weights, and of which kind it is."""
        if user.name not in OPERATORS or position != 1:
            return self._value_site(stored, "float"), "float"
        kind = _input_kind(user)
        if (
            kind in ("static", "dynamic", "computed")
            and self._channelwise(stored, user)
            and self.options.carrier != "float"
        ):
            if user.name == "Conv":
                if kind == "static":
                    return self._convolution(stored, user), "int8"
            elif _is_product(user):
                kernel = "DynamicQuantizeMatMul" if kind == "dynamic" else "MatMulInteger"
                return self._integer_product(stored, user, kernel), "int8"
        if kind == "codebook" and _is_product(user) and self._channelwise(stored, user):
            product = self._square_product(stored, user)
            if product is not None:
                return product, "int8"
        if kind == "float" and user.name == "MatMul":
            return self._weight_only(stored, user)
        if kind == "static" and self._ends_quantized(user):
            return self._float_layer(stored, user), "float"
        return self._value_site(stored, "float"), "float"

    def _channelwise(self, stored: Stored, user: Node) -> bool:
        """Whether an int8 kernel can apply the scales: one, or one for each output channel."""
        if stored.block or not stored.symmetric or stored.integral is None:
            return False
        out = 0 if user.name == "Conv" or user.attribute("transB", 0) else 1
        return stored.scale.ndim == 0 or stored.axis == out

    def _convolution(self, stored: Stored, user: Node) -> Replacement | None:
        """int8 codes under DequantizeLinear, which the runtime makes QLinearConv of where the result is
        quantized too."""
        if self._result_is_quantized(user):
            self.kernels["QLinearConv"] += 1
        weight = self._int8_weight(stored, fine=_is_narrow(user))
        if weight is None:
            return None
        codes, scale = weight
        value = apply("DequantizeLinear", codes, scale, axis=stored.axis)
        return Replacement(stored.node.outputs, (value,), "int8-table", "bits")

    def _float_layer(self, stored: Stored, user: Node) -> Replacement:
        """The layer in float, its input decoded by plain arithmetic: between DequantizeLinear and QuantizeLinear
        the runtime would round float weights to 8 bits with one scale."""
        assert user.inputs[0] is not None
        codes, scale, zero = user.inputs[0].node.inputs
        assert codes is not None and scale is not None and zero is not None
        wide, point = (apply("Cast", v, to=FLOAT32.code) for v in (codes, zero))
        x = apply("Mul", apply("Sub", wide, point), scale)
        new = rebuild(user, (x, self._float_weight(stored), *user.inputs[2:]))
        return Replacement(user.outputs, new.outputs, "float-layer", "bits")

    def _ends_quantized(self, user: Node) -> bool:
        """Whether the result is quantized, after what the runtime takes into the layer's kernel."""
        readers = self.readers.get(user.outputs[0], ())
        while len(readers) == 1 and readers[0][0].name in ("Add", "Relu", "Clip"):
            readers = self.readers.get(readers[0][0].outputs[0], ())
        return any(n.name == "QuantizeLinear" for n, _ in readers)

    def _result_is_quantized(self, user: Node) -> bool:
        value = user.outputs[0]
        readers = self.readers.get(value, ())
        if len(readers) == 1 and readers[0][0].name in ("Relu", "Clip"):
            readers = self.readers.get(readers[0][0].outputs[0], ())
        return bool(readers) and all(n.name == "QuantizeLinear" for n, _ in readers)

    def _int8_weight(self, stored: Stored, fine: bool = False) -> tuple[Value, Value] | None:
        """(int8 codes, scale); None where the node already is in that form. `fine` takes the largest
        power of two times the levels that int8 holds: the runtime rounds the bias to the product of the scales,
        which is coarse where activations have few levels too."""
        table = int8_levels(stored.levels, fine and stored.bits <= 4)
        assert table is not None
        factor = np.float32(np.abs(table).max() / np.abs(stored.levels).max())
        scale = self._divided_scale(stored, factor)
        if stored.bits > 4:
            if not stored.node.operator.domain:
                return None
            return self.store.put(table[stored.codes], stored.name), scale
        codes = unpacked_value(stored.codes, stored.bits, stored.name, self.store)
        return apply("Gather", self.store.put(table, f"{stored.name}_table"), codes), scale

    def _divided_scale(self, stored: Stored, factor: np.float32) -> Value:
        """The scale over a factor of the levels, in the form that stores it."""
        value = stored.node.inputs[1]
        assert value is not None
        if constant_array(value, self.program) is None:  # narrow: widened, and divided, at load
            return value if factor == 1 else apply("Div", value, constant(factor))
        return self.store.put((stored.scale / factor).astype(np.float32), f"{stored.name}_scale")

    def _integer_product(self, stored: Stored, user: Node, kernel: str) -> Replacement:
        """MatMulInteger of the codes, scaled once; with dynamic scales the runtime makes
        DynamicQuantizeMatMul of it."""
        self.kernels[kernel] += 1
        if user.attribute("transB", 0):
            stored = replace(stored, codes=np.ascontiguousarray(stored.codes.T), axis=1)
        assert user.inputs[0] is not None
        codes, x_scale, x_zero = user.inputs[0].node.inputs
        assert codes is not None and x_scale is not None and x_zero is not None
        return self._product_of(stored, user, Squares(codes, x_zero, x_scale))

    def _square_product(self, stored: Stored, user: Node) -> Replacement | None:
        """MatMulInteger of activations whose levels are squares; None for other levels, or a forced carrier."""
        assert user.inputs[0] is not None
        entry = squares(user.inputs[0].node) if self.options.carrier != "float" else None
        if entry is None:
            return None
        self.kernels["MatMulInteger"] += 1
        if user.attribute("transB", 0):
            stored = replace(stored, codes=np.ascontiguousarray(stored.codes.T), axis=1)
        return self._product_of(stored, user, entry)

    def _product_of(self, stored: Stored, user: Node, entry: Squares) -> Replacement:
        """MatMulInteger of an input's integers and the weight's, times both scales, and the bias."""
        weight = self._int8_weight(stored)
        held = weight if weight is not None else (stored.node.inputs[0], stored.node.inputs[1])
        if weight is None and user.attribute("transB", 0):
            table = stored.integral
            assert table is not None
            held = self.store.put(table[stored.codes], stored.name), held[1]
        total = apply("Cast", apply("MatMulInteger", entry.numbers, held[0], entry.zero), to=FLOAT32.code)
        assert held[1] is not None
        value = apply("Mul", total, apply("Mul", entry.scale, held[1]))
        bias = user.inputs[2] if len(user.inputs) > 2 else None
        if bias is not None:
            value = apply("Add", value, bias)
        return Replacement(user.outputs, (value,), "integer-product")

    # --- weights alone ---

    def _weight_only(self, stored: Stored, user: Node) -> tuple[Replacement | None, str]:
        candidates = [Candidate("float", self._float_weight(stored))]
        blocked = self._blocked(stored) if self.options.carrier in ("auto", "nbits") else None
        if blocked is not None:
            candidates.append(Candidate("nbits", blocked))
        arrays = {**self.program.weights.arrays, **self.store.arrays}
        kind, figures = choose(user, candidates, arrays, self.options.rows, self.options.carrier)
        if figures:
            self.notes.append(f"{stored.layer}: {kind} ({figures})")
        value = next(c.weight for c in candidates if c.kind == kind)
        if kind == "nbits":
            self.kernels["MatMulNBits"] += 1
            if user.outputs[0].tensor.rank == 2 and self._is_biased(user):
                self.sites.append(_apart(user))
        if value is stored.node.outputs[0]:
            return None, kind
        return Replacement(stored.node.outputs, (value,), f"{kind}-weights", "bits"), kind

    def _is_biased(self, user: Node) -> bool:
        return any(n.name == "Add" for n, _ in self.readers.get(user.outputs[0], ()))

    def _blocked(self, stored: Stored) -> Value | None:
        """The weights as 4- or 8-bit integers with scales for blocks along the inputs, which the runtime
        runs as MatMulNBits; one scale for a channel is repeated for every block."""
        node = stored.node
        if node.operator.domain or stored.codes.ndim != 2 or (stored.axis != 0 and stored.block):
            return None
        length = stored.codes.shape[0]
        if stored.block:
            fits = (
                stored.block >= 16 and stored.block & (stored.block - 1) == 0 and length % stored.block == 0
            )
            return node.outputs[0] if fits else None
        block = next((b for b in (256, 128, 64, 32) if length % b == 0), None)
        if block is None or (stored.axis != 1 and stored.scale.ndim):
            return None
        shape = (length // block, stored.codes.shape[1])
        assert node.inputs[1] is not None
        half = node.inputs[1].node.name == "Cast" and np.array_equal(
            stored.scale.astype(np.float16), stored.scale
        )
        wide = np.broadcast_to(stored.scale, shape).astype(np.float16 if half else np.float32)
        scale = as_float32(self.store.put(wide, f"{stored.name}_scale"))
        zero = None
        if stored.zero is not None:
            zero = self.store.put(
                np.ascontiguousarray(np.broadcast_to(stored.zero, shape)), f"{stored.name}_zero"
            )
        return make_node(
            node.operator, (node.inputs[0], scale, zero), {"axis": 0, "block_size": block}
        ).outputs[0]

    def _value_site(self, stored: Stored, kind: str) -> Replacement | None:
        del kind
        value = self._float_weight(stored)
        return Replacement(stored.node.outputs, (value,), "float-table", "bits")

    def _float_weight(self, stored: Stored) -> Value:
        """The float weights from packed codes, in operators that the runtime computes once at load: a
        table, then the scales. (It would run DequantizeLinear again and again.)"""
        if stored.bits > 4:
            codes = self.store.put(stored.codes, stored.name)
            index = apply("Cast", codes, to=6)
        else:
            index = unpacked_value(stored.codes, stored.bits, stored.name, self.store)
        table = self.store.put(stored.levels.astype(np.float32), f"{stored.name}_table")
        values = apply("Gather", table, index)
        if stored.zero is not None:
            zero = self.store.put(stored.zero.astype(np.float32), f"{stored.name}_zero")
            values = apply("Sub", values, self._spread(stored, zero))
        scale = stored.node.inputs[1]
        assert scale is not None
        return apply("Mul", values, self._spread(stored, scale))

    def _spread(self, stored: Stored, parameter: Value) -> Value:
        """Scales or zero points in a shape that broadcasts with the codes."""
        rank, axis = stored.codes.ndim, stored.axis
        if parameter.tensor.shape == ():
            return parameter
        if stored.block:
            index = (np.arange(stored.codes.shape[axis]) // stored.block).astype(np.int32)
            return apply("Gather", parameter, self.store.put(index, "blocks"), axis=axis)
        shape = np.ones(rank, np.int64)
        shape[axis] = -1
        return parameter if axis == rank - 1 else apply("Reshape", parameter, constant(shape))


def _is_narrow(user: Node) -> bool:
    """Whether the layer's input has fewer than 8 bits: codes clipped to their range."""
    fed = user.inputs[0].node if user.inputs[0] is not None else None
    return (
        fed is not None
        and bool(fed.inputs)
        and fed.inputs[0] is not None
        and fed.inputs[0].node.name == "Clip"
    )


def _is_product(user: Node) -> bool:
    """MatMul, or a Gemm that is no more than that and a bias."""
    plain = user.attribute("alpha", 1.0) == 1.0 and user.attribute("beta", 1.0) == 1.0
    return user.name == "MatMul" or (user.name == "Gemm" and plain and not user.attribute("transA", 0))


def _apart(user: Node) -> Replacement:
    """The product with a leading axis of one: the runtime would make a Gemm of a product of matrices and
    its bias, and has no kernel for that on codes."""
    first = constant(np.array([0], np.int64))
    assert user.inputs[0] is not None
    product = apply("MatMul", apply("Unsqueeze", user.inputs[0], first), user.inputs[1])
    return Replacement(user.outputs, (apply("Squeeze", product, first),), "nbits-product")


def _input_kind(user: Node) -> str:
    """What the layer's input is: float, codebook, integers whose scale is static, DynamicQuantizeLinear's
    (dynamic) or computed otherwise; other for scales by row or block."""
    fed = user.inputs[0].node if user.inputs[0] is not None else None
    if fed is None or fed.name != "DequantizeLinear" or fed.inputs[0] is None:
        return "float" if fed is None or fed.name != "Dequantize" else "codebook"
    scale = fed.inputs[1]
    if scale is None or scale.tensor.rank or len(fed.inputs) < 3:
        return "other"  # a scale for each row or block: no kernel takes those
    source = fed.inputs[0].node.name
    if source == "Clip" and fed.inputs[0].node.inputs[0] is not None:
        source = fed.inputs[0].node.inputs[0].node.name
    if source == "QuantizeLinear":
        return "static" if scale.constant is not None else "computed"
    return "dynamic" if source == "DynamicQuantizeLinear" else "other"
