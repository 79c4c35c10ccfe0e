"""How long a state-space layer takes by mode, and which mode to take: a model fitted to measurements.

ONNX's rates are a least-squares fit of the logarithms (those of forms twice slower than the best weigh a third) to
times of the layers FITTED of `tools.bench.state_space_choice`, which measures the model's choice on others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, log2

CHUNKS = (8, 16, 32, 64, 128)
"""A length below one of them may be one chunk of its own."""


@dataclass(frozen=True)
class Layer:
    """One layer: `states` real states a group (two a pair), `diagonal` how they move on, `constant`
    whether its matrices are known ahead, so that tables of their powers cost nothing; `block` above 0
    the order of the blocks of a block-diagonal matrix; `rank` above 0 that of what a diagonal is less, which steps
    keep and powers don't."""

    batch: int
    groups: int
    inputs: int
    outputs: int
    states: int
    length: int
    diagonal: bool
    constant: bool = True
    block: int = 0
    rank: int = 0

    @property
    def dense(self) -> Layer:
        """As powers of its matrix are, and steps may be."""
        return replace(self, diagonal=False, rank=0) if self.rank else self


@dataclass(frozen=True)
class Rates:
    """Of one backend on one core, in ns: a multiply-accumulate of a large product, one of a small
    product or of a matrix with a vector, an elementwise operation on one number, the overhead of one
    operator, of each matrix in a batched product, and of a run; `table` what a product spends on a number of a table
    however many rows it has (it copies its right operand), `spilled` what one more costs that no cache keeps.
    The rest count the operators of a chunk's and of a step's body; `blocked` if groups are done block by block."""

    product: float
    vector: float
    element: float
    operator: float
    matrix: float
    run: float
    table: float
    spilled: float
    carry: int
    diagonal_carry: int
    step: int
    diagonal_step: int
    blocked: bool = False


RATES: Mapping[str, Rates] = {
    "torch": Rates(0.035, 0.15, 0.6, 4500.0, 0.0, 54000.0, 0.06, 0.0, 6, 6, 3, 9),
    "onnx": Rates(0.0189, 0.0531, 0.121, 463.0, 140.0, 7640.0, 0.122, 0.86, 4, 3, 4, 4, blocked=True),
}


CACHED, LEAST_BLOCK = 2**18, 32
"""Numbers of u that a block of groups should not exceed; fewer groups than the second cost more in operators than
a cache saves."""
CACHE = 2**21
"""Numbers of tables that stay in a cache from one run to the next."""
AROUND, PAIRS = 10, 7
"""Operators around the carry of chunks; and of a stream, whose state of pairs comes in and goes out at each step."""
LOW_RANK = 4
"""Operators that a low rank adds to a step."""


@dataclass(frozen=True)
class Plan:
    """A mode, the steps of a chunk (1 for others), whether the state is carried by a diagonal, and
    the nanoseconds to expect."""

    mode: str
    chunk: int
    diagonal: bool
    cost: float


def step_cost(layer: Layer, rates: Rates) -> float:
    """One step after the other: each moves every state on, and reads and writes it."""
    rows = layer.batch * layer.groups
    single = (
        layer.inputs == layer.outputs == 1 and layer.groups > 1
    )  # heads enter and leave element by element
    read = 4 * layer.states * rates.element if single else _product(layer, rates.vector)
    operators = (rates.diagonal_step if layer.diagonal else rates.step) + (3 if single else 0)
    operators += LOW_RANK if layer.rank else 0
    each = operators * rates.operator + rows * (_moved(layer, rates) + read)
    pairs = PAIRS * rates.operator if layer.diagonal and layer.length == 1 else 0.0
    return rates.run + pairs + layer.length * each


def _product(layer: Layer, rate: float) -> float:
    return layer.states * (layer.inputs + layer.outputs) * rate


def _moved(layer: Layer, rates: Rates) -> float:
    """One state on by one step."""
    if layer.diagonal:
        products = 2 * layer.states * layer.rank * rates.vector + (2 * rates.matrix if layer.rank > 1 else 0)
        return 3 * layer.states * rates.element + products
    block = layer.block or layer.states
    return layer.states * block * rates.vector + (layer.states / block) * rates.matrix


def chunk_cost(layer: Layer, chunk: int, rates: Rates) -> float:
    """Products with Toeplitz blocks within a chunk, and the state carried from one to the next; one chunk alone,
    from rest, is its block."""
    chunk = min(chunk, layer.length)
    count, rows = ceil(layer.length / chunk), layer.batch * layer.groups
    wide, deep = layer.inputs * chunk, layer.outputs * chunk
    local = wide * deep + (0 if count == 1 else (wide + deep) * layer.states)
    total = rates.run + layer.groups * (1 if count == 1 else 3) * rates.matrix
    if layer.batch * count == 1:  # matrices with a vector, which no product copies
        total += rows * local * rates.vector
    else:
        total += rows * count * local * rates.product + layer.groups * local * rates.table
    total += max(0, layer.groups * local - CACHE) * rates.spilled
    if count > 1:
        operators = (rates.diagonal_carry if layer.diagonal else rates.carry) * rates.operator
        copied = 4 * layer.states * rates.element  # in and out of the order of steps
        blocks = layer.groups // block_of_groups(layer) if rates.blocked else 1
        total += count * rows * (_moved(layer, rates) + copied)
        total += blocks * (count * operators + AROUND * rates.operator)
    return total if layer.constant else total + _table_cost(layer, chunk, rates)


def block_of_groups(layer: Layer) -> int:
    """How many groups of one long row are done at a time: a divisor of all, and all of a batch or a short row."""
    wanted = max(LEAST_BLOCK, CACHED // (layer.inputs * layer.length))
    fitting = [b for b in range(LEAST_BLOCK, min(wanted, layer.groups) + 1) if layer.groups % b == 0]
    return fitting[-1] if fitting and layer.batch == 1 else layer.groups


def _table_cost(layer: Layer, chunk: int, rates: Rates) -> float:
    if layer.diagonal:
        return 10 * layer.groups * layer.states * chunk * (layer.inputs + layer.outputs) * rates.element
    products = layer.states**2 * chunk * (layer.inputs + layer.outputs) + layer.states**3 * log2(2 * chunk)
    return layer.groups * products * rates.product + 3 * log2(2 * chunk) * rates.operator


def fft_cost(layer: Layer, rates: Rates) -> float:
    """Transforms of twice the length of every channel; the kernel is made anew unless constant."""
    size = 2 * layer.length
    channels = layer.batch * layer.groups * (layer.inputs + layer.outputs)
    kernels = layer.groups * layer.inputs * layer.outputs
    transforms = (channels + (0 if layer.constant else kernels)) * size * log2(size + 1) * 0.6
    products = layer.batch * kernels * size * 4
    table = 0.0 if layer.constant else kernels * layer.length * layer.states * 2
    return (transforms + products + table) * rates.element + 12 * rates.operator


def plans(layer: Layer, backend: str) -> list[Plan]:
    """Every plan that the backend has, the cheapest first. ONNX Runtime's DFT is not offered: it is
    tens of times slower than chunks."""
    rates = RATES[backend]
    found = [best_step(layer, backend)]
    dense = layer.dense
    for chunk in CHUNKS:
        if layer.length > 1 and chunk < 2 * layer.length:
            taken = min(chunk, layer.length)
            found.append(Plan("chunk", taken, dense.diagonal, chunk_cost(dense, taken, rates)))
    if backend == "torch":
        found.append(Plan("fft", 1, dense.diagonal, fft_cost(dense, rates)))
    return sorted(found, key=lambda p: p.cost)


def best_step(layer: Layer, backend: str) -> Plan:
    """One step after the other: a diagonal less a low rank may be cheaper as one matrix."""
    forms = [layer, layer.dense] if layer.rank else [layer]
    found = [Plan("step", 1, f.diagonal, step_cost(f, RATES[backend])) for f in forms]
    return min(found, key=lambda p: p.cost)


def best_plan(layer: Layer, backend: str) -> Plan:
    """The cheapest plan for the layer as it is."""
    return plans(layer, backend)[0]
