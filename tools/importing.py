"""A model to a spec: read, tidied, outlined, written, read back and compared before it is kept."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..backends.runtime.input_domains import input_domains
from ..graph.build.array_files import write_safetensors
from ..graph.build.prelude import PRELUDE
from ..graph.build.resolution import SPECIAL
from ..graph.diagnostics import fail
from ..graph.ir import Domain, Program, collector_paused
from ..graph.spec.writing import Outline, Written, write_document
from ..graph.spec.writing.identifiers import document_name
from ..graph.spec.yaml_writer import render
from ..passes.manager.pass_ import Context
from ..passes.outlining.outline import outline
from ..passes.outlining.tidying import Tidy
from .round_trip import Agreement, agree


@dataclass(frozen=True)
class Options:
    """`simplify`: fold shape arithmetic and remove what does nothing; `outline`: write repeated blocks
    once; `scopes`: call functions after the modules of the exporter; `check`: compare the spec with
    the model before it is kept."""

    simplify: bool = True
    outline: bool = True
    scopes: bool = True
    check: bool = True
    name: str | None = None
    sizes: Mapping[str, int] | None = None
    seed: int = 0


@dataclass(frozen=True)
class Imported:
    """What an import wrote. `weights` is None where no weight is large enough for a file."""

    spec: Path
    weights: Path | None
    lines: int
    nodes: int
    functions: int
    arrays: int
    bytes: int
    renamed: Mapping[str, str]
    agreement: Agreement
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "spec": str(self.spec),
            "weights": None if self.weights is None else str(self.weights),
            "lines": self.lines,
            "nodes": self.nodes,
            "functions": self.functions,
            "arrays": self.arrays,
            "bytes": self.bytes,
            "renamed": dict(self.renamed),
            "check": {
                "kind": self.agreement.kind,
                "reason": self.agreement.reason,
                "max_abs": self.agreement.largest,
            },
            "notes": list(self.notes),
        }


def import_file(model: str | os.PathLike[str], output: str | os.PathLike[str], options: Options) -> Imported:
    """Writes the spec of a model (`.onnx`, or `.pt2` through torch's ONNX exporter) and, beside it, a
    safetensors file of its weights: both or neither.

    Raises SpecError: what reading the model raises (G12xx), G1220 to G1222 for what a spec can't say,
    G1223 where the spec read back differs from the model.
    """
    path, target = Path(model), Path(output)
    if target.suffix not in (".yaml", ".yml"):
        raise fail("G1301", f"the output '{target}' must be a .yaml file")
    notes: list[str] = []
    program = read_model(path, options.sizes, notes)
    return replace(write_spec(program, target, options, source=path.name), notes=tuple(notes))


def read_model(path: Path, sizes: Mapping[str, int] | None = None, notes: list[str] | None = None) -> Program:
    """The program of a model file, by its suffix; `notes` gets remarks about what was left out."""
    if path.suffix == ".pt2":
        from .exported_programs import import_exported

        return import_exported(path, sizes)
    from ..backends.onnx.importing import import_model

    return import_model(path, sizes=sizes, notes=notes)


def write_spec(program: Program, target: Path, options: Options, source: str = "") -> Imported:
    """Writes a program as a spec, as `import_file` does."""
    with collector_paused():
        named = replace(program, name=document_name(options.name or _title(program, source)))
        prepared = Tidy().run(named, Context()).program if options.simplify else named
        prepared = _with_domains(prepared)
        written = write_document(
            prepared,
            weights_file=f"{target.stem}.safetensors",
            outline=_outlined(prepared, options),
            reserved=_function_names(),
            doc=f"Imported from {source}." if source else "",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{target.stem}.", dir=target.parent))
    try:
        files = _write(written, folder, target)
        agreement = _checked(program, written, files[0], options)
        for file in reversed(files):
            os.replace(file, target.parent / file.name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return _summary(written, target, agreement)


def _title(program: Program, source: str) -> str:
    generic = ("main_graph", "torch_jit", "main", "graph", "model", "")
    return Path(source).stem if program.name in generic and source else program.name


def _function_names() -> frozenset[str]:
    """Names that functions of a spec may not take: they would hide others."""
    from ..graph.build.files import prelude_names

    return frozenset(PRELUDE) | SPECIAL | prelude_names()


def _outlined(program: Program, options: Options) -> Outline | None:
    return outline(program, scopes=options.scopes) if options.outline else None


def _with_domains(program: Program) -> Program:
    """The program with the ranges that its operators demand of integer inputs."""
    found = dict(program.domains)
    for name, domain in input_domains(program).items():
        value = program.inputs[name]
        if name in found or domain.kind != "range" or not hasattr(value.type, "dtype"):
            continue
        if value.tensor.dtype.is_integer and domain.low is not None and domain.high is not None:
            found[name] = Domain("range", domain.low, domain.high)
    return replace(program, domains=found)


def _write(written: Written, folder: Path, target: Path) -> list[Path]:
    """The spec, then the weights where there are any, in a folder of their own."""
    files = [folder / target.name]
    files[0].write_text(render(written.document), encoding="utf-8")
    if written.arrays:
        files.append(folder / f"{target.stem}.safetensors")
        write_safetensors(files[1], written.arrays)
    return files


def _checked(program: Program, written: Written, spec: Path, options: Options) -> Agreement:
    if not options.check:
        return Agreement("unchecked", "--no-check was given")
    from .programs import open_program

    return agree(program, open_program(str(spec)), written.leaves, written.sizes, options.seed)


def _summary(written: Written, target: Path, agreement: Agreement) -> Imported:
    document = written.document
    assert document.body is not None
    blocks = (document.body, *document.functions)
    renamed = {k: v for k, v in {**written.sizes, **written.leaves, **written.outputs}.items() if k != v}
    return Imported(
        target,
        target.parent / f"{target.stem}.safetensors" if written.arrays else None,
        len(render(document).splitlines()),
        sum(len(b.nodes) for b in blocks),
        len(document.functions),
        len(written.arrays),
        sum(a.nbytes for a in written.arrays.values()),
        renamed,
        agreement,
    )
