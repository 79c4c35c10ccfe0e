"""Goal G9: the cost model's choice of form and mode against the best of all emitted forms, on layers of other shapes
and lengths than the ones that it was fitted to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...backends.runtime.state_space_cost import CHUNKS, Layer, plans
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
