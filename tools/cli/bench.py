"""`graphwright bench`."""

from __future__ import annotations

from time import process_time
from typing import Any

import click

from .options import graph_options, json_option, overrides, seed_option
from .output import print_json, print_table


@click.command("bench")
@click.argument("spec")
@click.option("--backend", "backends", multiple=True, help="torch and onnx by default; repeatable.")
@click.option(
    "--rounds", default=20, show_default=True, help="Interleaved rounds; the least CPU time counts."
)
@click.option("--weights", type=click.Path(), default=None)
@graph_options
@seed_option
@json_option
def command(
    spec: str,
    backends: tuple[str, ...],
    rounds: int,
    weights: str | None,
    settings: tuple[str, ...],
    slots: tuple[str, ...],
    optional: tuple[str, ...],
    dtype: str | None,
    seed: int,
    as_json: bool,
) -> None:
    """Time one run of a graph on each backend, before and after the exact passes, side by side."""
    from ...backends.runtime.feeds import initialize
    from ...passes.manager.manager import PassManager
    from ..compilation import choose_pipeline
    from ..programs import load_weights, open_program

    program = open_program(spec, overrides(settings, slots, optional, dtype))
    program = initialize(load_weights(program, weights) if weights else program, seed)
    simplified = PassManager().run(program, choose_pipeline(None, ()), verify="none").program
    rows = _measure(
        {"as written": program, "simplified": simplified}, backends or ("torch", "onnx"), rounds, seed
    )
    if as_json:
        print_json(rows)
        return
    best = min(row["cpu_ms"] for row in rows)
    table = [("backend", "program", "CPU ms", "ratio")]
    table += [(r["backend"], r["program"], f"{r['cpu_ms']:.3f}", f"{r['cpu_ms'] / best:.2f}") for r in rows]
    print_table(table)


def _measure(
    programs: dict[str, Any], backends: tuple[str, ...], rounds: int, seed: int
) -> list[dict[str, Any]]:
    from ...backends.runtime.feeds import prepare
    from ...backends.runtime.samples import draw, size_choices
    from ..api import find_backend

    first = next(iter(programs.values()))
    feeds = draw(first, seed, size_choices(first, seed)[0])
    inputs = {n: feeds[n] for n in first.inputs}
    loaded = []
    for backend in backends:
        for name, program in programs.items():
            loaded.append(
                (backend, name, find_backend(backend).load(program), prepare(program, inputs, seed=seed))
            )
    best = {(b, n): float("inf") for b, n, _, _ in loaded}
    for _ in range(rounds):
        for backend, name, executable, given in loaded:
            start = process_time()
            executable.run(given)
            best[backend, name] = min(best[backend, name], (process_time() - start) * 1000)
    return [{"backend": b, "program": n, "cpu_ms": ms} for (b, n), ms in best.items()]
