"""`graphwright schema`."""

from __future__ import annotations

import click

from ...graph.spec.schema import json_schema
from ..vocabulary import vocabulary
from .output import print_json


@click.command("schema")
def command() -> None:
    """Print the JSON Schema of specs: name it in an editor for completion and checks.

    With the YAML language server: `# yaml-language-server: $schema=graphwright.schema.json`.
    """
    print_json(json_schema(vocabulary()))
