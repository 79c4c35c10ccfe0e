"""Mutations of ONNX models: of fields, of whole messages, of names and sizes, and of bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import onnx
from google.protobuf.message import DecodeError, EncodeError  # type: ignore[import-untyped]  # has no stubs

NUMBERS = (
    0,
    1,
    -1,
    2,
    3,
    7,
    16,
    64,
    255,
    2**15,
    2**31 - 1,
    -(2**31),
    2**31,
    2**40,
    2**62,
    2**63 - 1,
    -(2**63),
)
FLOATS = (0.0, -0.0, 1.0, -1.0, 1e-30, 1e30, float("inf"), float("-inf"), float("nan"))
TEXTS = (
    "", "x", "y", "w", "Add", "If", "Loop", "NoSuchOperator", "com.microsoft", "ai.onnx", "ai.onnx.ml", "graphwright",
    "../../etc/passwd", "/etc/passwd", "weights.bin", "a" * 300, "n", "n + 1", "n // 0", "(" * 80, "\u00e9", "%s", "__",
    "linear", "lambda", "-1", "9" * 30, "Input\0", "then_branch", "body", "float", "2*n",
)  # fmt: skip

Message = Any


def mutate(rng: Random, seeds: Sequence[bytes]) -> bytes:
    """A mutated model: mostly of its messages, now and then of its bytes."""
    data = rng.choice(seeds)
    kind = rng.random()
    if kind < 0.72:
        return _structured(rng, data, seeds)
    if kind < 0.8:
        return _bytes(rng, _structured(rng, data, seeds))
    return _bytes(rng, data)


def _structured(rng: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    model = onnx.ModelProto()
    model.ParseFromString(data)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        try:
            rng.choices(_MUTATIONS, _WEIGHTS)[0](rng, model, seeds)
        except (ValueError, TypeError, IndexError, AttributeError, DecodeError):
            continue  # the field does not take it, or it is nested too deep
    try:
        found: bytes = model.SerializeToString()
    except (ValueError, UnicodeError, EncodeError):
        return data
    return found


def _messages(message: Message) -> list[Message]:
    """The message and all inside it, in order."""
    found = [message]
    for current in found:
        if len(found) > 4000:
            break
        for field, value in current.ListFields():
            if field.type == field.TYPE_MESSAGE:
                found.extend(value if _is_repeated(field) else [value])
    return found


def _is_repeated(field: Any) -> bool:
    return bool(field.is_repeated) if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED


def _some_field(rng: Random, model: Message) -> tuple[Message, Any]:
    message = rng.choice(_messages(model))
    fields = [f for f, _ in message.ListFields()]
    if not fields or rng.random() < 0.15:
        fields = list(message.DESCRIPTOR.fields)
    return message, rng.choice(fields)


def _scalar(rng: Random, field: Any, model: Message) -> Any:
    if field.type in (field.TYPE_STRING,):
        return rng.choice(TEXTS) if rng.random() < 0.5 else _some_name(rng, model)
    if field.type == field.TYPE_BYTES:
        return rng.choice((b"", b"\0", b"\xff\xfe", b"abc", bytes(64), b"\x80" * 9))
    if field.type in (field.TYPE_FLOAT, field.TYPE_DOUBLE):
        return rng.choice(FLOATS)
    if field.type == field.TYPE_ENUM:
        return rng.choice([v.number for v in field.enum_type.values])
    number = rng.choice(NUMBERS) if rng.random() < 0.6 else rng.randint(-3, 30)
    narrow = field.type in (field.TYPE_INT32, field.TYPE_UINT32, field.TYPE_SINT32)
    return max(-(2**31), min(2**31 - 1, number)) if narrow else number


def _some_name(rng: Random, model: Message) -> str:
    names = [
        n for m in _messages(model) if isinstance(m, onnx.NodeProto) for n in (*m.input, *m.output, m.op_type)
    ]
    return str(rng.choice(names)) if names else "x"


def _change(rng: Random, model: Message, seeds: Sequence[bytes]) -> None:
    """Another value in one scalar field."""
    message, field = _some_field(rng, model)
    if field.type == field.TYPE_MESSAGE:
        _clear(rng, model, seeds)
        return
    if _is_repeated(field):
        values = getattr(message, field.name)
        if len(values) and rng.random() < 0.8:
            values[rng.randrange(len(values))] = _scalar(rng, field, model)
        else:
            values.append(_scalar(rng, field, model))
        return
    setattr(message, field.name, _scalar(rng, field, model))


def _clear(rng: Random, model: Message, seeds: Sequence[bytes]) -> None:
    """A field or an element less."""
    message, field = _some_field(rng, model)
    if _is_repeated(field) and len(getattr(message, field.name)):
        values = getattr(message, field.name)
        del values[rng.randrange(len(values))]
    else:
        message.ClearField(field.name)


def _duplicate(rng: Random, model: Message, seeds: Sequence[bytes]) -> None:
    """An element twice, or elements in another order."""
    message, field = _some_field(rng, model)
    if not _is_repeated(field):
        return
    values = list(getattr(message, field.name))
    if rng.random() < 0.5:
        values.append(rng.choice(values))
    else:
        rng.shuffle(values)
    message.ClearField(field.name)
    getattr(message, field.name).extend(values)


def _graft(rng: Random, model: Message, seeds: Sequence[bytes]) -> None:
    """A message replaced by another of its type, from this model or from another seed."""
    other = onnx.ModelProto()
    other.ParseFromString(rng.choice(seeds))
    target = rng.choice(_messages(model))
    same = [
        m
        for m in (*_messages(other), *_messages(model))
        if m.DESCRIPTOR is target.DESCRIPTOR and m is not target
    ]
    if same and target is not model:
        chosen = type(target)()
        chosen.CopyFrom(rng.choice(same))
        target.CopyFrom(chosen)


def _rewire(rng: Random, model: Message, seeds: Sequence[bytes]) -> None:
    """A node reads or gives another name: cycles, undefined names, names defined twice."""
    nodes = [m for m in _messages(model) if isinstance(m, onnx.NodeProto)]
    node = rng.choice(nodes)
    names = node.input if rng.random() < 0.7 else node.output
    names[rng.randrange(len(names))] = _some_name(rng, model)


def _tensor(rng: Random, model: Message, seeds: Sequence[bytes]) -> None:
    """A stored tensor whose shape, dtype or content no longer fit one another."""
    tensors = [m for m in _messages(model) if isinstance(m, onnx.TensorProto)]
    tensor = rng.choice(tensors)
    match rng.randrange(5):
        case 0:
            tensor.dims.append(rng.choice(NUMBERS))
        case 1:
            tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(NUMBERS)
        case 2:
            tensor.data_type = rng.choice((*range(30), 99, -1))
        case 3:
            tensor.raw_data = tensor.raw_data[: rng.randrange(len(tensor.raw_data) + 1)]
        case 4:
            tensor.data_location = onnx.TensorProto.EXTERNAL
            tensor.external_data.add(
                key=rng.choice(("location", "offset", "length")), value=rng.choice(TEXTS)
            )


def _nest(rng: Random, model: Message, seeds: Sequence[bytes]) -> None:
    """The graph inside the branches of an If inside the branches of an If …"""
    inner = onnx.GraphProto()
    inner.CopyFrom(model.graph)
    for _ in range(rng.choice((1, 3, 12, 30))):
        node = onnx.NodeProto(op_type="If", input=["c"], output=[o.name for o in inner.output])
        for name in ("then_branch", "else_branch")[: rng.choice((1, 2, 2))]:
            attribute = node.attribute.add(name=name, type=onnx.AttributeProto.GRAPH)
            if name == "then_branch" or len(inner.SerializeToString()) < 20_000:
                attribute.g.CopyFrom(inner)
        outer = onnx.GraphProto(
            name="nested", node=[node], input=model.graph.input, output=model.graph.output
        )
        outer.input.add(name="c").type.tensor_type.elem_type = onnx.TensorProto.BOOL
        inner = outer
        if len(inner.SerializeToString()) > 400_000:
            break
    model.graph.CopyFrom(inner)


def _call(rng: Random, model: Message, seeds: Sequence[bytes]) -> None:
    """A function that calls itself, or another one often."""
    if not model.functions:
        return
    function, called = rng.choice(model.functions), rng.choice(model.functions)
    for _ in range(rng.choice((1, 2, 40))):
        function.node.add(
            op_type=called.name, domain=called.domain, input=function.input, output=function.output
        )


_MUTATIONS: tuple[Callable[[Random, Message, Sequence[bytes]], None], ...] = (
    _change, _clear, _duplicate, _graft, _rewire, _tensor, _nest, _call,
)  # fmt: skip
_WEIGHTS = (40, 15, 10, 12, 15, 10, 2, 3)


def _bytes(rng: Random, data: bytes) -> bytes:
    """Bits flipped, bytes replaced, cut out, put in or doubled; the end cut off."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        if not found:
            break
        at = rng.randrange(len(found))
        match rng.randrange(6):
            case 0:
                found[at] ^= 1 << rng.randrange(8)
            case 1:
                found[at] = rng.randrange(256)
            case 2:
                del found[at : at + rng.choice((1, 2, 8, 64))]
            case 3:
                found[at:at] = rng.choice((b"\xff", b"\0" * 8, b"\x0a\xff\xff\xff\x7f", rng.randbytes(4)))
            case 4:
                found[at:at] = found[at : at + rng.randrange(200)]
            case 5:
                del found[at:]
    return bytes(found)
