"""The names that passes, optimisers, data sources and backends give to the language."""

from __future__ import annotations

from functools import cache

from ..graph.spec.vocabulary import Entry, Vocabulary

BACKENDS = {
    "torch": "torch.fx modules, run eagerly; training",
    "onnx": "ONNX models, run by ONNX Runtime",
    "reference": "NumPy, slowly: an independent check",
}


@cache
def vocabulary() -> Vocabulary:
    """Every table. Imports the passes, but neither torch nor ONNX Runtime."""
    from ..backends.runtime.data import data_table
    from ..backends.runtime.training_steps import optimizer_table
    from ..passes.catalogue import entries

    return Vocabulary(
        passes=entries(),
        optimizers=optimizer_table(),
        data=data_table(),
        backends={name: Entry(doc) for name, doc in BACKENDS.items()},
    )
