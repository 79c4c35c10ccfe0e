"""`graphwright explain`."""

from __future__ import annotations

import click

from ...graph.diagnostics import fail
from ...graph.diagnostics.codes import CODES


@click.command("explain")
@click.argument("what")
@click.option("--node", default=None, help="With a pass: why it did not rewrite this node of --spec.")
@click.option("--spec", default=None, help="The spec that --node is in.")
def command(what: str, node: str | None, spec: str | None) -> None:
    """Explain a diagnostic code (G0301), an operator (Conv), a function (softmax), a pass or a spec key."""
    if node is not None:
        _explain_node(what, node, spec)
        return
    for explanation in (_code, _operator, _function, _pass, _key):
        text = explanation(what)
        if text is not None:
            click.echo(text)
            return
    raise _unknown(what)


def _code(what: str) -> str | None:
    code = CODES.get(what.upper())
    return None if code is None else f"{code.identifier}: {code.title}\n\n{code.text}"


def _operator(what: str) -> str | None:
    from ...graph.operators import operator, operator_names
    from ..reference_docs.operators import operator_text

    return operator_text(operator(what)) if what in operator_names() else None


def _function(what: str) -> str | None:
    from ...graph.build.prelude import PRELUDE

    found = PRELUDE.get(what)
    return None if found is None else f"{found}\n\n{found.doc}"


def _pass(what: str) -> str | None:
    from ...passes.catalogue import PASSES
    from ..reference_docs.passes import pass_text

    return pass_text(what) if what in PASSES else None


def _key(what: str) -> str | None:
    from ..reference_docs.keys import key_text

    return key_text(what)


def _unknown(what: str) -> Exception:
    from ...graph.build.prelude import PRELUDE
    from ...graph.diagnostics import did_you_mean
    from ...graph.operators import operator_names
    from ...passes.catalogue import PASSES

    names = [*CODES, *operator_names(), *PRELUDE, *PASSES]
    hint = did_you_mean(what, names) or "graphwright list codes | operators | functions | passes"
    return fail("G1305", f"nothing is called '{what}'", hint=hint)


def _explain_node(what: str, node: str, spec: str | None) -> None:
    from ...passes.catalogue import PASSES, pass_class
    from ...passes.rewriting.explanation import explain
    from ...passes.rewriting.rewriting_pass import RewritingPass
    from ..programs import open_program

    if spec is None:
        raise click.UsageError("--node needs --spec FILE")
    found = pass_class(what)() if what in PASSES else None
    if not isinstance(found, RewritingPass):
        raise fail("G1305", f"'{what}' is no pass of rewriting rules", hint="graphwright list passes")
    click.echo(str(explain(found, open_program(spec), node)))
