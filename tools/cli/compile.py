"""`graphwright compile`."""

from __future__ import annotations

from pathlib import Path

import click

from .options import graph_options, json_option, overrides, seed_option


@click.command("compile")
@click.argument("spec")
@click.option("--recipe", type=click.Path(), default=None, help="A recipe: the passes and their budgets.")
@click.option(
    "--pass", "passes", multiple=True, metavar="PASS{opt=1}", help="A pass instead; repeatable, in order."
)
@click.option("--backend", default="onnx", show_default=True, help="onnx (model.onnx) or torch (model.pt2).")
@click.option(
    "-o", "--output", "folder", default="out", show_default=True, help="The folder for model and report."
)
@click.option(
    "--weights", type=click.Path(), default=None, help="A safetensors file with the trained parameters."
)
@click.option("--opset", default=21, show_default=True, help="The ONNX opset to emit.")
@click.option(
    "--verify",
    type=click.Choice(["none", "final", "each"]),
    default=None,
    help="How much to check; the recipe's, else each.",
)
@click.option(
    "--opaque",
    is_flag=True,
    help="Keep operators of domains that an .onnx model does not define, from ONNX to ONNX; nothing is run.",
)
@click.option("--latency", is_flag=True, help="Measure a run before and after.")
@graph_options
@seed_option
@json_option
def command(
    spec: str,
    recipe: str | None,
    passes: tuple[str, ...],
    backend: str,
    folder: str,
    weights: str | None,
    opset: int,
    verify: str | None,
    opaque: bool,
    latency: bool,
    settings: tuple[str, ...],
    slots: tuple[str, ...],
    optional: tuple[str, ...],
    dtype: str | None,
    seed: int,
    as_json: bool,
) -> None:
    """Transform a graph by verified passes and emit it, with a report (JSON and HTML).

    Without --recipe or --pass: freeze_parameters and simplify, which are exact. A pass that breaks
    its contract stops the compile and leaves a reproducer in OUTPUT/reproducers.
    """
    from ..compilation import choose_pipeline, compile_program
    from ..programs import foreign_names, load_weights, open_program
    from ..recipes import context_of
    from ..reports.text import summary
    from .output import print_json

    if recipe is not None and passes:
        raise click.UsageError("give --recipe or --pass, not both")
    steps = choose_pipeline(recipe, passes)
    program = open_program(spec, overrides(settings, slots, optional, dtype), opaque=opaque)
    foreign = foreign_names(program)
    if foreign:
        verify = "none"
        click.echo(f"nothing is verified: only their runtime knows {', '.join(foreign)}", err=True)
    if weights is not None:
        program = load_weights(program, weights)
    given = overrides(settings, slots, optional, dtype)
    artefact = compile_program(
        program,
        steps,
        Path(folder),
        backend=backend,
        opset=opset,
        verify=verify,
        seed=seed,
        latency=latency,
        context=context_of(spec, given, program, recipe, seed) if recipe is not None else None,
    )
    if as_json:
        print_json(artefact.to_json())
    else:
        click.echo(summary(artefact.to_json(), folder))
