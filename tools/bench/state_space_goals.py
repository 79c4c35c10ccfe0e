"""All goals of the state-space layers, each with the command that gives its line alone."""

from __future__ import annotations

from importlib import import_module

from .goals import Goal

COMMAND = "python -m graphwright.tools.bench state_space_goals"
SECTIONS = (
    "state_space",
    "state_space_certificates",
    "delay",
    "state_space_choice",
    "state_space_speed",
    "spikes",
)


def report() -> None:
    """G1 to G13 and what goes beyond them; the lines that only tell are left out."""
    print(f"command: {COMMAND}")
    print(f"{'goal':6} {'met':4} {'target':66} {'measured':76} {'prototype':24} command")
    found: list[Goal] = []
    for section in SECTIONS:
        module = import_module(f".{section}", __package__)
        for goal in module.goals():
            if not goal.name:
                continue
            found.append(goal)
            shown = f"{goal.name:6} {goal.verdict:4} {goal.target:66} {goal.measured:76} {goal.prototype:24}"
            print(f"{shown} {module.COMMAND}", flush=True)
    judged = [g for g in found if g.met is not None]
    print(f"met: {sum(bool(g.met) for g in judged)} of {len(judged)} lines")
