"""From a spec file and what the user fixes (`--set`, `--slot`, `--dtype`) to a unit ready to build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..graph.build.construction import Construction
from ..graph.build.document import Unit
from ..graph.build.files import Settings, scope_of
from ..graph.build.meanings import Callable, FunctionValue, Meaning
from ..graph.diagnostics import did_you_mean, fail
from ..graph.spec.resolution import load as load_documents
from ..graph.spec.vocabulary import Vocabulary
from ..graph.types import DTYPES, DType


@dataclass(frozen=True)
class Overrides:
    """`sizes` holds sizes, dimensions and graph attributes (`--set name=value`), `slots` a graph file
    or a function of the spec for each slot, `optional` the optional inputs that are given."""

    sizes: Mapping[str, object] = field(default_factory=dict)
    slots: Mapping[str, str] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    dtype: str | None = None


def open_unit(path: str, overrides: Overrides | None = None, vocabulary: Vocabulary | None = None) -> Unit:
    """The document in a file with everything it uses. Raises SpecError with every diagnostic."""
    given = overrides or Overrides()
    document, resolution = load_documents(path, vocabulary=vocabulary)
    attributes = {a.name.text for a in document.body.attributes} if document.body is not None else set()
    sizes: dict[str, int] = {}
    fixed: dict[str, Meaning] = {}
    for name, value in given.sizes.items():
        if name in attributes:
            fixed[name] = value  # type: ignore[assignment]  # a number or text; checked against its kind
        elif isinstance(value, int) and not isinstance(value, bool):
            sizes[name] = value
        else:
            raise fail("G1301", f"the size '{name}' must be a whole number, not {value!r}")
    unit = Unit(document, resolution, Settings(sizes, fixed, {}, given.optional), _dtype(given.dtype))
    if not given.slots:
        return unit
    slots = {name: _slot(unit, text) for name, text in given.slots.items()}
    return Unit(document, resolution, Settings(sizes, fixed, slots, given.optional), unit.default_float)


def _dtype(name: str | None) -> DType | None:
    if name is None:
        return None
    if name not in DTYPES or not DTYPES[name].is_float:
        floats = [d.name for d in DTYPES.values() if d.is_float]
        raise fail("G1301", f"'{name}' is no floating-point dtype", hint=did_you_mean(name, floats))
    return DTYPES[name]


def _slot(unit: Unit, text: str) -> Callable:
    """What `--slot net=TEXT` means: a function of the spec, or the graph in a file."""
    scope = scope_of(Construction(), unit.document, unit.resolution, unit.settings)
    if text in scope.functions:
        return scope.functions[text]
    if not text.endswith((".yaml", ".yml")):
        raise fail(
            "G1303",
            f"'{text}' is neither a function of the spec nor a YAML file",
            hint=did_you_mean(text, scope.functions),
        )
    other = open_unit(text)
    if other.document.body is None:
        raise fail("G1302", f"'{text}' is a {other.document.kind}, not a graph")
    graph = scope_of(Construction(), other.document, other.resolution)
    return FunctionValue(other.document.body, graph)
