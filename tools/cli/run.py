"""`graphwright run`."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np

from .options import graph_options, json_option, overrides, seed_option


@click.command("run")
@click.argument("spec")
@click.option(
    "-i",
    "--input",
    "inputs",
    multiple=True,
    metavar="NAME=VALUE",
    help="A literal list, or a .npy file; repeatable.",
)
@click.option(
    "--inputs", "archive", type=click.Path(exists=True, dir_okay=False), help="An .npz file with the inputs."
)
@click.option("--random", "draw", is_flag=True, help="Draw the inputs from their domains.")
@click.option(
    "--size", "sizes", multiple=True, metavar="NAME=N", help="A symbolic size for --random; repeatable."
)
@click.option("--weights", type=click.Path(exists=True, dir_okay=False), help="A safetensors file.")
@click.option("--backend", default="torch", show_default=True, help="torch, onnx or reference.")
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Write the results to an .npz file.")
@graph_options
@seed_option
@json_option
def command(
    spec: str,
    inputs: tuple[str, ...],
    archive: str | None,
    draw: bool,
    sizes: tuple[str, ...],
    weights: str | None,
    backend: str,
    output: str | None,
    settings: tuple[str, ...],
    slots: tuple[str, ...],
    optional: tuple[str, ...],
    dtype: str | None,
    seed: int,
    as_json: bool,
) -> None:
    """Run a graph once and print its results."""
    from ..api import run
    from ..programs import load_weights, open_program
    from ..results import array_json, describe, write_npz

    program = open_program(spec, overrides(settings, slots, optional, dtype))
    if weights:
        program = load_weights(program, weights)
    given = _given(inputs, archive)
    if draw:
        given = {**_drawn(program, seed, sizes), **given}
    results = run(program, given, backend=backend, seed=seed)
    if output:
        write_npz(Path(output), results)
    if as_json:
        from .output import print_json

        print_json({name: array_json(array) for name, array in results.items()})
    else:
        for name, array in results.items():
            click.echo(describe(name, array))
    sys.exit(0)


def _given(inputs: tuple[str, ...], archive: str | None) -> dict[str, Any]:
    given: dict[str, Any] = {}
    if archive:
        with np.load(archive, allow_pickle=False) as found:
            given.update({name: found[name] for name in found.files})
    for text in inputs:
        name, separator, value = text.partition("=")
        if not separator:
            raise click.UsageError(f"--input takes NAME=VALUE, not '{text}'")
        given[name] = _value(value)
    return given


def _value(text: str) -> Any:
    if text.endswith(".npy"):
        return np.load(text, allow_pickle=False)
    try:
        return _literal(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise click.UsageError(
            f"'{text}' is neither a .npy file nor a literal such as [1, 2.5, nan]"
        ) from None


NAMES = {
    **dict.fromkeys(("nan", "NaN"), float("nan")),
    **dict.fromkeys(("inf", "Infinity"), float("inf")),
    "true": True,
    "false": False,
}
"""Literals of JSON, of Python and of this language that are names."""


def _literal(node: ast.expr) -> Any:
    """Numbers, texts, truth values and lists of them. Raises ValueError."""
    if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float | str):
        return node.value
    if isinstance(node, ast.List | ast.Tuple):
        return [_literal(item) for item in node.elts]
    if isinstance(node, ast.Name) and node.id in NAMES:
        return NAMES[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = _literal(node.operand)
        if isinstance(value, int | float):
            return -value if isinstance(node.op, ast.USub) else value
    raise ValueError("no literal")


def _drawn(program: Any, seed: int, sizes: tuple[str, ...]) -> dict[str, Any]:
    from ...backends.runtime.samples import draw, size_choices
    from .options import plain

    chosen = dict(size_choices(program, seed)[0])
    for text in sizes:
        name, separator, value = text.partition("=")
        number = plain(value)
        if not separator or not isinstance(number, int):
            raise click.UsageError(f"--size takes NAME=NUMBER, not '{text}'")
        chosen[name] = number
    feeds = draw(program, seed, chosen)
    return {name: feeds[name] for name in program.inputs}
