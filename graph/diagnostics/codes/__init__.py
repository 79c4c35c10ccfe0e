"""Every diagnostic code, one table a file by the hundred: `graphwright explain CODE`."""

from __future__ import annotations

from .backends import BACKENDS
from .calls import CALLS
from .code import Code
from .control import CONTROL
from .document import DOCUMENT
from .expressions import EXPRESSIONS
from .files import FILES
from .functions import FUNCTIONS
from .logic import LOGIC
from .models import MODELS
from .names import NAMES
from .operands import OPERANDS
from .passes import PASSES
from .quantization import QUANTIZATION
from .reading import READING
from .running import DATA, DRAWS, FEEDS
from .state import STATE
from .testing import TESTING
from .text_form import TEXT_FORM
from .training import TRAINING
from .types import TYPES

TABLES: tuple[tuple[Code, ...], ...] = (
    READING,
    DOCUMENT,
    EXPRESSIONS,
    NAMES,
    TYPES,
    CALLS,
    OPERANDS,
    CONTROL,
    STATE,
    TESTING,
    TRAINING,
    PASSES,
    QUANTIZATION,
    FUNCTIONS,
    BACKENDS,
    MODELS,
    FILES,
    TEXT_FORM,
    LOGIC,
    DRAWS,
    DATA,
    FEEDS,
)
CODES: dict[str, Code] = {code.identifier: code for table in TABLES for code in table}

__all__ = ["CODES", "TABLES", "Code"]
