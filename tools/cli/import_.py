"""`graphwright import`."""

from __future__ import annotations

import click

from .options import json_option, seed_option


@click.command("import")
@click.argument("model", type=click.Path())
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False),
    help="The spec to write; its weights go beside it, as .safetensors.",
)
@click.option(
    "--simplify/--raw",
    default=True,
    help="Fold constants and shape arithmetic and drop what does nothing (default), or write every node.",
)
@click.option(
    "--outline/--no-outline",
    default=True,
    help="Write repeated blocks once, as functions (default), or write all out.",
)
@click.option(
    "--function-names",
    type=click.Choice(["scopes", "plain"]),
    default="scopes",
    show_default=True,
    help="Name functions after the exporter's modules, or block, block_2, …",
)
@click.option("--name", default=None, help="The document's name; the model's by default.")
@click.option(
    "--set", "sizes", multiple=True, metavar="SIZE=N", help="Fix a symbolic size of the model; repeatable."
)
@click.option(
    "--check/--no-check",
    default=True,
    help="Build the spec and compare it with the model before keeping it (default).",
)
@seed_option
@json_option
def command(
    model: str,
    output: str,
    simplify: bool,
    outline: bool,
    function_names: str,
    name: str | None,
    sizes: tuple[str, ...],
    check: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Write a readable spec of a model: MODEL is an .onnx file, or a torch.export program (.pt2).

    The spec compiles back to the same function. That is checked: it is built and compared with the
    model, node by node or by its results on drawn inputs; where they differ nothing is written.
    """
    from ..importing import Options, import_file
    from .output import print_json

    given = Options(simplify, outline, function_names == "scopes", check, name, _sizes(sizes), seed)
    found = import_file(model, output, given)
    if as_json:
        print_json(found.to_json())
        return
    click.echo(f"{found.spec}: {found.lines} lines, {found.nodes} nodes, {found.functions} functions")
    if found.weights is not None:
        click.echo(f"{found.weights}: {found.arrays} arrays, {found.bytes:,} bytes")
    click.echo(_verdict(found.agreement.kind, found.agreement.reason, found.agreement.largest))
    for old, new in found.renamed.items():
        click.echo(f"'{old}' is called {new}")
    for note in found.notes:
        click.echo(f"note: {note}")


def _verdict(kind: str, reason: str, largest: float) -> str:
    if kind == "graphs":
        return "checked: the spec builds to the same graph"
    if kind == "values":
        return f"checked: same results on drawn inputs, largest difference {largest:.3g}"
    return f"not compared with the model: {reason}"


def _sizes(texts: tuple[str, ...]) -> dict[str, int] | None:
    found: dict[str, int] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not value.isdigit():
            raise click.UsageError(f"--set takes SIZE=NUMBER, not '{text}'")
        found[name] = int(value)
    return found or None
