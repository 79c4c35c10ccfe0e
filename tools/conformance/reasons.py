"""Why a case does not pass: every reason, in one place.

A check that fails without a reason here fails the run, and so does a reason that is not needed any
more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from .outcome import CHECKS, FAILED, CaseRecord


@dataclass(frozen=True)
class Reason:
    """`cases`: patterns of case keys (`node/test_adam*`); `check`: the check that does not pass;
    `outcome`: what its detail starts with."""

    check: str
    cases: tuple[str, ...]
    text: str
    outcome: str = ""

    def covers(self, record: CaseRecord, check: str) -> bool:
        if check != self.check or not record.outcomes[check].detail.startswith(self.outcome):
            return False
        return any(fnmatchcase(record.key, pattern) for pattern in self.cases)


REASONS: tuple[Reason, ...] = (
    Reason(
        "import",
        ("node/test_ai_onnx_ml_*",),
        "of the domain ai.onnx.ml (classical machine learning), outside ai.onnx",
    ),
    Reason(
        "import",
        ("node/test_flexattention*",),
        "of the domain ai.onnx.preview: not yet part of the standard, may change without notice",
    ),
    Reason(
        "import",
        (
            "node/test_adagrad*",
            "node/test_adam*",
            "node/test_momentum*",
            "node/test_nesterov_momentum",
            "simple/test_gradient_of_*",
        ),
        "of the domain ai.onnx.preview.training: graphs are trained by `training:` of a spec",
    ),
    Reason(
        "types",
        ("node/test_loop13_seq",),
        "ONNX is wrong: it keeps the type that the sequence starts with, of scalars, where every step of"
        " the loop inserts a vector",
    ),
    Reason(
        "torch",
        ("node/test_image_decoder_*",),
        "decoding image files needs codecs that torch does not have; decode before the graph",
    ),
    Reason(
        "torch",
        ("node/test_attention_4d_fp16", "node/test_attention_4d_causal_fp16*"),
        "the expected result is rounded to 16 bits after every NumPy step; torch rounds a product's sum"
        " once, and one element in a hundred differs by one unit in the last place",
    ),
    Reason(
        "torch",
        ("node/test_dft_inverse", "node/test_dft_inverse_opset19"),
        "the expected result is 1.9e-7 where the true transform, and torch's, is 0",
    ),
    Reason(
        "gradient",
        ("real/test_inception_v1", "real/test_resnet50", "real/test_vgg19"),
        "all weights of a light model are equal, so that its derivative is the difference of equal huge"
        " numbers: 0 by differences, the rounding of their sum by torch",
    ),
    Reason(
        "onnx",
        ("simple/test_sequence_model8",),
        "the case feeds an axis of size 0; a symbolic size is at least 1 (import with `sizes` to fix it)",
    ),
)


def reason_for(record: CaseRecord, check: str) -> Reason | None:
    return next((r for r in REASONS if r.covers(record, check)), None)


def unexplained(records: Iterable[CaseRecord]) -> list[tuple[str, str, str]]:
    """(case, check, detail) of every failure without a reason."""
    return [
        (r.key, check, r.outcomes[check].detail)
        for r in records
        for check in CHECKS
        if r.status(check) == FAILED and reason_for(r, check) is None
    ]


def unneeded(records: Sequence[CaseRecord]) -> list[tuple[str, str, str]]:
    """(pattern, check, text) of every reason's pattern that no failing case matches. Meant for a
    full run."""
    failing = [(r, c) for r in records for c in CHECKS if r.status(c) == FAILED]
    return [
        (pattern, reason.check, reason.text)
        for reason in REASONS
        for pattern in reason.cases
        if not any(reason.covers(r, c) and fnmatchcase(r.key, pattern) for r, c in failing)
    ]
