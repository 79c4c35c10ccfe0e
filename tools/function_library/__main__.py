"""`python -m graphwright.tools.function_library [NAME…] [--out FOLDER]`: the library's files made anew."""

from __future__ import annotations

import argparse
from pathlib import Path
from time import process_time

from ...backends.runtime.cache import write_atomically
from ...graph.diagnostics import Source
from ...graph.spec.reader import parse_document
from ...graph.spec.resolution import STANDARD_LIBRARY
from ...passes.functions.certificates.checking import Effort, certified
from ...passes.functions.program import FunctionProgram
from ...passes.functions.program_spec import program_of, spec_text
from .catalogue import FORMS


def program(name: str) -> FunctionProgram:
    """The program of that file name, without certificates."""
    document, diagnostics = parse_document(Source(f"{name}.yaml", FORMS[name]().text()))
    diagnostics.raise_if_errors()
    assert document is not None
    return program_of(document)


def main() -> None:
    """Makes the named programs, or all, with their certificates."""
    parser = argparse.ArgumentParser(prog="python -m graphwright.tools.function_library", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *FORMS], metavar="NAME", help=f"of {' '.join(FORMS)}")
    parser.add_argument("--out", type=Path, default=STANDARD_LIBRARY / "functions")
    parser.add_argument("--journals", type=Path, help="go on here after a stop")
    given = parser.parse_args()
    if given.journals is not None:
        given.journals.mkdir(parents=True, exist_ok=True)
    for name in given.names or FORMS:
        start = process_time()
        made = certified(program(name), Effort(journals=given.journals))
        write_atomically(given.out / f"{name}.yaml", spec_text(made).encode("utf-8"))
        bounds = ", ".join(f"{c.bound:.5g} {c.arithmetic}" for c in made.certificates)
        print(f"{name}: {bounds} {made.error} [{process_time() - start:.1f} CPU s]", flush=True)


if __name__ == "__main__":
    main()
