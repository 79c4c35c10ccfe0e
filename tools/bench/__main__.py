"""`python -m graphwright.tools.bench [SECTION …]`: the figures of the README. Sections: SECTIONS."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from importlib import import_module

SECTIONS = (
    "scale",
    "encoder",
    "digits",
    "exports",
    "quantization",
    "quantization_goals",
    "quantization_peers",
    "state_space",
    "state_space_speed",
    "state_space_choice",
    "state_space_certificates",
    "delay",
    "spikes",
    "spikes_recipes",
    "function_search",
    "function_families",
    "function_search_seeds",
    "state_space_goals",
    "functions",
    "function_models",
    "function_certificates",
    "function_goals",
    "logic",
)


def main() -> int:
    """Prints the sections named, or all. 2 for an unknown one."""
    chosen = sys.argv[1:] or SECTIONS
    unknown = [name for name in chosen if name not in SECTIONS]
    if unknown:
        print(f"unknown section '{unknown[0]}': {', '.join(SECTIONS)}", file=sys.stderr)
        return 2
    print(f"{platform.platform()}, Python {platform.python_version()}, {_processor()}")
    for name in chosen:
        print(f"\n== {name}")
        report: Callable[[], None] = import_module(f".{name}", __package__).report
        report()
    return 0


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


if __name__ == "__main__":
    sys.exit(main())
