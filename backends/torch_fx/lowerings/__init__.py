"""How every operator is computed with torch: one plain function each, one file a group."""

from __future__ import annotations

from .attention import ATTENTION
from .casting import CASTING
from .control import CONTROL
from .convolution import CONVOLUTION
from .elementwise import ELEMENTWISE
from .function_programs import FUNCTION_PROGRAMS
from .generation import GENERATION
from .graphwright import GRAPHWRIGHT
from .layout import LAYOUT
from .linear import LINEAR
from .lowering import Lowering, keywords
from .normalization import NORMALIZATION
from .pooling import POOLING
from .quantization import QUANTIZATION
from .recurrent import RECURRENT
from .reduction import REDUCTION
from .resampling import RESAMPLING
from .sequence import SEQUENCE
from .signal import SIGNAL
from .sorting import SORTING
from .state_space import STATE_SPACE
from .text import TEXT

_STANDARD = (
    ELEMENTWISE,
    CASTING,
    REDUCTION,
    LAYOUT,
    LINEAR,
    CONVOLUTION,
    POOLING,
    NORMALIZATION,
    GENERATION,
    SORTING,
    CONTROL,
    SEQUENCE,
    QUANTIZATION,
    ATTENTION,
    RECURRENT,
    RESAMPLING,
    SIGNAL,
    TEXT,
)

LOWERINGS: dict[str, Lowering] = {
    **{name: lowering for table in _STANDARD for name, lowering in table.items()},
    **{
        f"graphwright.{name}": lowering
        for table in (GRAPHWRIGHT, STATE_SPACE, FUNCTION_PROGRAMS)
        for name, lowering in table.items()
    },
}
"""Qualified operator name (`Conv`, `graphwright.Cholesky`) -> its lowering."""

__all__ = ["LOWERINGS", "Lowering", "keywords"]
