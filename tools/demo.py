"""`make demo`: train the digits CNN from its YAML, compile it through verified passes, export it,
and run the exported model on the whole test set."""

from __future__ import annotations

import sys
from pathlib import Path
from time import monotonic

import numpy as np

from ..backends.runtime.data import load
from ..backends.runtime.feeds import prepare
from ..graph.diagnostics import SpecError
from ..graph.ir import Program
from ..graph.spec.resolution import STANDARD_LIBRARY
from .api import run
from .artefacts import Array, OnnxFile
from .compilation import choose_pipeline, compile_program
from .documents import open_unit
from .reports.text import summary
from .training import train_unit, trained_program

SPEC = STANDARD_LIBRARY / "models" / "digits_cnn.yaml"


def main(folder: str = "out/demo") -> int:
    """0 where the exported model predicts what the trained program predicts."""
    start = monotonic()
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    try:
        return _demo(out, start)
    except SpecError as error:
        from ..graph.diagnostics.rendering import render_text

        print(render_text(error.diagnostics), file=sys.stderr)
        return 1


def _demo(out: Path, start: float) -> int:
    print(f"1. train {SPEC.name} on scikit-learn's digits: the first 1,000 samples")
    unit = open_unit(str(SPEC))
    result = train_unit(unit, seed=0, out=out)
    program = trained_program(unit, result)
    print("2. compile it through verified passes, export ONNX")
    artefact = compile_program(program, choose_pipeline(None, ()), out, latency=True)
    print(summary(artefact.to_json(), str(out)))
    print("3. run the exported model in ONNX Runtime on the 797 test samples")
    test = load("digits.test", SPEC.parent)
    trained = run(program, {"image": test["image"]}, backend="torch")["logits"].argmax(axis=1)
    exported = exported_predictions(artefact.path, program, test["image"])
    accuracy = float(np.mean(exported == test["label"]))
    same = int(np.sum(trained == exported))
    share = f"{same} of {len(trained)} predictions equal the trained program's"
    print(f"   accuracy {100 * accuracy:.2f} %, {share}")
    print(f"   {monotonic() - start:.0f} s in all; the report: {out / 'report.html'}")
    return 0 if same == len(trained) else 1


def exported_predictions(path: Path, program: Program, images: Array) -> Array:
    """The classes that the file predicts, by ONNX Runtime alone."""
    found: Array = OnnxFile(path).run(prepare(program, {"image": images}))["logits"].argmax(axis=1)
    return found


if __name__ == "__main__":
    sys.exit(main())
