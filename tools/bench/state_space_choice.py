"""Goal G9: the cost model's choice of form and mode against the best of all emitted forms, on layers of other shapes
and lengths than the ones that it was fitted to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...backends.onnx.emitting.state_space import parted_state, start_state, stepped
from ...backends.onnx.emitting.state_space_tables import recurrence, reshape, size
from ...backends.runtime.state_space_cost import CHUNKS, Layer, plans
from ...graph.ir import Graph, Program
from .goals import Goal, show
from .interleaved import cpu_seconds
from .state_space_speed import Run, chunks, layer, onnx_run

COMMAND = "python -m graphwright.tools.bench state_space_choice"
Form = tuple[bool, int]
"""Whether the state is carried by a diagonal, and the steps of a chunk (1: a Scan over steps)."""
FITTED = tuple(
    (shape, length)
    for shape in (
        (1, 16, 16),
        (1, 16, 64),
        (1, 16, 256),
        (1, 16, 512),
        (16, 1, 16),
        (16, 1, 64),
        (64, 1, 16),
        (64, 1, 64),
        (256, 1, 64),
        (4, 4, 32),
    )
    for length in (1, 16, 64, 512, 2048)
)
"""What ONNX's rates were fitted to, by least squares of the logarithms: ((groups, inputs and outputs of each, states),
length)."""
JUDGED = tuple(
    (shape, length)
    for shape in (
        (1, 8, 32),
        (1, 24, 64),
        (1, 32, 128),
        (1, 8, 384),
        (1, 1, 64),
        (8, 1, 32),
        (32, 1, 64),
        (128, 1, 32),
        (48, 1, 48),
        (2, 8, 96),
    )
    for length in (1, 4, 32, 256, 1024, 4096)
)
"""Other shapes and other lengths, which had no part in the fit."""
LOW_RANK = tuple(
    ((groups, inputs, states, rank), length)
    for groups, inputs, states, rank in (
        (1, 1, 64, 1),
        (1, 8, 256, 1),
        (1, 4, 512, 2),
        (16, 1, 32, 1),
        (8, 1, 128, 2),
        (64, 1, 64, 1),
    )
    for length in (1, 16, 256)
)
"""Layers of a diagonal less a low rank: ((groups, inputs and outputs of each, states, rank), length)."""


def report() -> None:
    """The goal, and the layers that lose most."""
    print(f"command: {COMMAND}")
    show(goals())


def goals() -> Iterator[Goal]:
    """G9: how often the mode chosen is the fastest, and what is lost where it is not."""
    lost = []
    for (groups, inputs, states), length in JUDGED:
        shape = Layer(1, groups, inputs, inputs, states, length, diagonal=True)
        lost.append((*regret(shape, measured(shape)), shape))
    lost.sort(key=lambda x: -x[0])
    for ratio, text, shape in lost[:5]:
        name = f"G={shape.groups} I=O={shape.inputs} N={shape.states} L={shape.length}"
        yield Goal("", name, f"{ratio:.2f}x: {text}")
    dense = sum("declined" in text for _, text, _ in lost)
    within = sum(ratio <= 1.3 for ratio, _, _ in lost)
    middle = lost[len(lost) // 2][0]
    text = f"{within} of {len(lost)} (median {middle:.2f}x, worst {lost[0][0]:.2f}x); diagonal declined on {dense}"
    target = "choice within 1.3x of the best form on >= 30 layers out of the fit"
    yield Goal("G9", target, text, within == len(lost) >= 30)
    yield low_rank_goal()


def low_rank_goal() -> Goal:
    """The same of layers that are a diagonal less a low rank, in steps of that form or of one matrix, or in chunks."""
    lost = []
    for (groups, inputs, states, rank), length in LOW_RANK:
        shape = Layer(1, groups, inputs, inputs, states, length, diagonal=True, rank=rank)
        best = plans(shape, "onnx")[0]
        taken = measured_low_rank(shape)
        form = best.diagonal, best.chunk if best.mode == "chunk" else 1
        lost.append((taken[form] / min(taken.values()), form))
    worst = max(ratio for ratio, _ in lost)
    within, kept = sum(ratio <= 1.3 for ratio, _ in lost), sum(form == (True, 1) for _, form in lost)
    text = f"{within} of {len(lost)} (worst {worst:.2f}x); steps of low rank on {kept}"
    return Goal("G9", "diagonal less a low rank: choice within 1.3x of the best", text, within == len(lost))


def measured_low_rank(shape: Layer) -> dict[Form, float]:
    """CPU seconds of steps in either form, and of chunks."""
    program = layer(
        shape.groups,
        shape.states,
        shape.length,
        dense=False,
        inputs=shape.inputs,
        outputs=shape.outputs,
        carried=shape.length == 1,
        rank=shape.rank,
    )
    runs = {f"{kept:d} 1": onnx_run(steps(program, kept)) for kept in (False, True)}
    for chunk in sorted({min(c, shape.length) for c in CHUNKS if c < 2 * shape.length}):
        if (
            chunk > 1
            and shape.groups * chunk * shape.inputs * (chunk * shape.outputs + shape.states) < 40_000_000
        ):
            runs[f"0 {chunk}"] = onnx_run(chunks(program, chunk))
    taken = cpu_seconds(runs, 0.8)
    return {(name[0] == "1", int(name[2:])): seconds for name, seconds in taken.items()}


def steps(program: Program, kept: bool) -> Program:
    """A layer that is a diagonal less a low rank step by step, in that form or with one matrix."""
    node = program.graph.outputs[0].node
    u, before, system = node.inputs[0], node.inputs[6], recurrence(node)
    assert u is not None
    fed = reshape(u, 0, size(system.b, 0), size(system.b, 2), -1)
    start = start_state(fed, before, "dplr", system.states)
    y, last = stepped(system if kept else system.whole, fed, start)
    results = (y,) if before is None else (y, parted_state(last, node))
    names = program.output_names
    return Program("steps", Graph(program.graph.inputs, results), names, weights=program.weights)


def chosen(shape: Layer) -> Form:
    """What the passes would make of the layer: the cheaper of the two forms in its cheapest mode."""
    both = [plans(replace(shape, diagonal=d), "onnx")[0] for d in (False, True)]
    best = min(both, key=lambda p: p.cost)
    return best.diagonal, best.chunk if best.mode == "chunk" else 1


def measured(shape: Layer) -> dict[Form, float]:
    """CPU seconds of every form that could be the best; one step is one of a stream, with its state."""
    runs: dict[str, Run] = {}
    for diagonal in (False, True):
        program = layer(
            shape.groups,
            shape.states,
            shape.length,
            dense=not diagonal,
            inputs=shape.inputs,
            outputs=shape.outputs,
            carried=shape.length == 1,
        )
        if shape.length <= 512:
            runs[f"{diagonal:d} 1"] = onnx_run(program)
        for chunk in sorted({min(c, shape.length) for c in CHUNKS if c < 2 * shape.length}):
            work = shape.groups * chunk * shape.inputs * (chunk * shape.outputs + shape.states)
            if chunk == shape.length and diagonal:
                continue  # one chunk from rest holds no state: the dense form's own graph
            if chunk > 1 and work < 40_000_000:
                runs[f"{diagonal:d} {chunk}"] = onnx_run(chunks(program, chunk))
    taken = cpu_seconds(runs, 0.8)
    found = {(name[0] == "1", int(name[2:])): seconds for name, seconds in taken.items()}
    alone = found.get((False, shape.length))
    return found if alone is None or shape.length == 1 else found | {(True, shape.length): alone}


def regret(shape: Layer, taken: dict[Form, float]) -> tuple[float, str]:
    """The time of the chosen form over the best one's, and both in words."""
    form = chosen(shape)
    best = min(taken, key=lambda k: taken[k])
    if form not in taken:
        return float("inf"), f"{_words(form)}, not measured, instead of {_words(best)}"
    declined = "" if form[0] else " (diagonal declined)"
    return taken[form] / taken[best], f"{_words(form)} instead of {_words(best)}{declined}"


def _words(form: Form) -> str:
    kind = "diagonal" if form[0] else "dense"
    return f"{kind} chunks of {form[1]}" if form[1] > 1 else f"{kind} steps"
