"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from ..documents import Overrides

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")(function)


def seed_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--seed", default=0, show_default=True, help="Keys every random draw.")(function)


def graph_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--set`, `--slot`, `--dtype`, `--optional`."""
    decorators: tuple[Decorator, ...] = (
        click.option(
            "--set", "settings", multiple=True, metavar="NAME=VALUE", help="A size or attribute; repeatable."
        ),
        click.option(
            "--slot", "slots", multiple=True, metavar="NAME=FILE", help="A graph or function for a slot."
        ),
        click.option(
            "--optional", multiple=True, metavar="NAME", help="An optional input that will be given."
        ),
        click.option(
            "--dtype", default=None, help="What 'float' means: float32 (default), float64, float16, bfloat16."
        ),
    )
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


def overrides(
    settings: tuple[str, ...], slots: tuple[str, ...], optional: tuple[str, ...], dtype: str | None
) -> Overrides:
    """The record of these options. Raises click.UsageError for one without '='."""
    pairs = dict(_pair(s, "--set") for s in settings)
    return Overrides(
        {k: plain(v) for k, v in pairs.items()},
        dict(_pair(s, "--slot") for s in slots),
        frozenset(optional),
        dtype,
    )


def _pair(text: str, option: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise click.UsageError(f"{option} takes NAME=VALUE, not '{text}'")
    return name.strip(), value.strip()


def plain(text: str) -> object:
    """A number, true, false or text."""
    lowered = text.lower()
    if lowered in ("true", "false"):
        return lowered == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
