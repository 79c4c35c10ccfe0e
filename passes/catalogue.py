"""Every pass by name, without importing any: what a recipe and `--pass` may say."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..graph.spec.vocabulary import Entry

PASSES: dict[str, str] = {
    "simplify": ".simplify.family:Simplify",
    "freeze_parameters": ".simplify.freezing:FreezeParameters",
    "fold_constants": ".simplify.folding:FoldConstants",
    "simplify_identities": ".simplify.identities:SimplifyIdentities",
    "simplify_algebra": ".simplify.algebra:SimplifyAlgebra",
    "simplify_shapes": ".simplify.shapes:SimplifyShapes",
    "fuse_chains": ".simplify.chains:FuseChains",
    "fold_batch_norm": ".simplify.batch_norm:FoldBatchNorm",
    "unroll_scans": ".simplify.unrolling:UnrollScans",
    "hoist_invariants": ".simplify.hoisting:HoistInvariants",
    "merge_weights": ".simplify.weights:MergeWeights",
    "raise_ssm": ".diagonalization.recognition:RaiseSsm",
    "diagonalize": ".diagonalization.diagonalize:Diagonalize",
    "chunk_ssm": ".diagonalization.chunking:ChunkSsm",
    "eliminate_dead_code": ".simplify.dead_code:EliminateDeadCode",
    "smooth": ".quantization.smooth:Smooth",
    "hadamard": ".quantization.rotation:Hadamard",
    "equalize": ".quantization.equalize:Equalize",
    "quantize": ".quantization.quantize:Quantize",
    "quantize_trained": ".quantization.trained:QuantizeTrained",
    "lower_quantized": ".quantization.lowering:LowerQuantized",
    "functionalise": ".logic.functionalise:Functionalise",
    "conjecture": ".logic.conjecture:Conjecture",
    "filter": ".logic.filter:Filter",
    "prove": ".logic.prove:Prove",
    "compress": ".logic.compress:Compress",
    "certify": ".logic.certify:Certify",
    "export": ".logic.export:Export",
}
"""name -> module (relative to this package) and class."""


def pass_class(name: str) -> type:
    """The class of the pass. Raises KeyError for an unknown name."""
    module, _, attribute = PASSES[name].partition(":")
    found: type = getattr(import_module(module, __package__), attribute)
    return found


def entries() -> dict[str, Entry]:
    """Every pass with its options, as the language's vocabulary wants them (imports them all)."""
    from .manager.options import entry_of

    return {name: entry_of(pass_class(name)) for name in PASSES}
