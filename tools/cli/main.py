"""The command `graphwright`: verbs found in a table, errors made readable, exit codes."""

from __future__ import annotations

import sys
from importlib import import_module

import click

# verb -> (module, one line); the module holds a click command of the verb's name
VERBS: dict[str, tuple[str, str]] = {
    "check": ("check", "Say everything that is wrong with specs, without running them."),
    "render": ("render", "Print a spec in its canonical form."),
    "show": ("show", "Print the typed IR of a spec, or the IR after some passes."),
    "run": ("run", "Run a graph on arrays, literals or random inputs."),
    "train": ("train", "Train a graph by its training: block."),
    "study": ("study", "Train once for each combination of a study's options."),
    "test": ("test", "Run the tests that specs carry, on every backend that can."),
    "compile": ("compile", "Transform a graph by verified passes and emit it, with a report."),
    "import": ("import_", "Write a model (.onnx, .pt2) as a readable spec, compared with the model."),
    "diff": ("diff", "Compare two programs: nodes, types, weights."),
    "bench": ("bench", "Time a graph on the backends, side by side."),
    "prove": ("prove", "Prove the goals of a theory, and check the proofs."),
    "certify": ("certify", "Check certificates again: of function programs, or of proofs."),
    "search": ("search", "Search for programs of few operations for a function."),
    "explain": ("explain", "Explain a diagnostic code, an operator, a pass or a function."),
    "list": ("list_names", "List codes, operators, functions, passes, backends, optimizers or data sets."),
    "schema": ("schema", "Print the JSON Schema of specs, for editors."),
    "doctor": ("doctor", "Check the installation: versions, backends, memory."),
}


class Verbs(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module = import_module(f".{VERBS[cmd_name][0]}", __package__)
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, with "did you mean"."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from ...graph.diagnostics.suggestion import did_you_mean

            hint = did_you_mean(args[0], VERBS)
            raise click.UsageError(f"{error.message}" + (f" {hint}" if hint else ""), ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in VERBS.items()])


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="graphwright")
def commands() -> None:
    """Compile YAML computation graphs into verified, trained, exported models.

    Exit codes: 0 fine, 1 something in the input is wrong, 2 wrong usage, 70 a fault of Graphwright's.
    """


def main() -> None:
    """The entry point."""
    try:
        status = commands.main(standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        sys.exit(_report(error))


def _report(error: Exception) -> int:
    """Prints what went wrong; the exit code is 1 for the user's input, 70 for a fault of ours."""
    from ...graph.diagnostics import SpecError

    if isinstance(error, SpecError):
        from .output import print_diagnostics

        print_diagnostics(error.diagnostics)
        return 1
    import os

    if isinstance(error, OSError):
        click.echo(f"error: {error.strerror or error}: {error.filename or ''}", err=True)
        return 1
    click.echo(f"internal fault: {type(error).__name__}: {error}", err=True)
    click.echo(
        "Please report this with the spec; GRAPHWRIGHT_TRACEBACK=1 prints where it happened.", err=True
    )
    if os.environ.get("GRAPHWRIGHT_TRACEBACK"):
        import traceback

        traceback.print_exc()
    return 70
