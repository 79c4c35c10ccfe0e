"""The operator reference: signature, dtypes, attributes, from the operator table."""

from __future__ import annotations

from ...graph.operators import AttributeSpec, Formal, Operator


def operator_text(operator: Operator) -> str:
    """What `graphwright explain OPERATOR` prints."""
    lines = [f"{operator.name}({', '.join(_form(f) for f in operator.inputs)})", ""]
    if operator.doc.strip():
        lines += [operator.doc.strip(), ""]
    lines += [f"  {f.name}: {_dtypes(f)}" for f in operator.inputs]
    lines += [f"  -> {f.name}: {_dtypes(f)}" for f in operator.outputs]
    if operator.attributes:
        lines.append("\nattributes:")
        lines += [f"  {_attribute(a)}" for a in operator.attributes.values()]
    return "\n".join(lines)


def _form(formal: Formal) -> str:
    return formal.name + ("=None" if formal.optional else ", …" if formal.variadic else "")


def _dtypes(formal: Formal) -> str:
    return ", ".join(sorted(formal.dtypes)) if formal.dtypes else "any type"


def _attribute(spec: AttributeSpec) -> str:
    default = (
        "required" if spec.required else f"= {spec.default.value}" if spec.default is not None else "optional"
    )
    return f"{spec.name}: {spec.kind}, {default}"
