"""Windows that slide over spatial axes: convolutions and pools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...types.dimensions import minimum
from ...types.dtypes import INT32, INT64
from ...types.refinement import met
from ...types.types import Axes, Axis, TensorType, Type
from ..operator import Call, RuleError, TypeRule
from .broadcasting import require_equal, shown
from .operands import (
    asked_sizes,
    choice,
    of_known,
    optional_tensor,
    present,
    quotient,
    refuse,
    require_rank,
    tensor,
    times,
)

_AUTO_PAD = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")


@dataclass(frozen=True)
class Window:
    """The attributes of a sliding window, defaults filled in; `pads` holds all begins, then all ends."""

    kernel: Axes
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]
    auto_pad: str
    ceil_mode: bool

    def extent(self, axis: int) -> Axis:
        """The length that the dilated kernel covers."""
        size = self.kernel[axis]
        return None if size is None else (size - 1) * self.dilations[axis] + 1

    def padding(self, axis: int) -> int:
        return self.pads[axis] + self.pads[axis + len(self.kernel)]


def window(call: Call, kernel: Axes) -> Window:
    """Raises RuleError G0561 or G0464 for attributes that don't fit the number of spatial axes."""
    rank = len(kernel)
    auto_pad = choice(call, "auto_pad", _AUTO_PAD) if "auto_pad" in call.operator.attributes else "NOTSET"
    strides = call.attribute("strides") or (1,) * rank
    dilations = call.attribute("dilations") or (1,) * rank
    pads = call.attribute("pads") or (0,) * (2 * rank)
    if auto_pad != "NOTSET":
        pads = (0,) * (2 * rank)
    for name, found, wanted in (
        ("strides", strides, rank),
        ("dilations", dilations, rank),
        ("pads", pads, 2 * rank),
    ):
        if len(found) != wanted:
            raise refuse(
                call, f"{name} has {len(found)} numbers for {rank} spatial axes; give {wanted}", (0,)
            )
    if min(strides, default=1) < 1 or min(dilations, default=1) < 1:
        raise refuse(call, "strides and dilations are at least 1")
    return Window(kernel, strides, dilations, pads, auto_pad, bool(call.attribute("ceil_mode", 0)))


def window_dims(call: Call, spatial: Axes, found: Window) -> Axes:
    """How many positions the window takes on each axis. Raises RuleError G0465 where it doesn't fit."""
    dims = tuple(_positions(spatial[i], found, i) for i in range(len(spatial)))
    for axis, count in enumerate(dims):
        if isinstance(count, int) and count <= 0 and spatial[axis] != 0:
            raise RuleError(
                "G0465",
                f"{call.operator.name}: a window of {found.extent(axis)} does not fit into {spatial[axis]} "
                f"elements with {found.padding(axis)} of padding: {tensor(call, 0)}",
                (0,),
            )
    return dims


def _positions(size: Axis, found: Window, axis: int) -> Axis:
    stride, extent = found.strides[axis], found.extent(axis)
    if size is None or (extent is None and not found.auto_pad.startswith("SAME")):
        return None
    if found.auto_pad.startswith("SAME"):
        return (size + stride - 1) // stride
    assert extent is not None
    span = size + found.padding(axis) - extent
    if not found.ceil_mode:
        return span // stride + 1
    rounded_up = (span + stride - 1) // stride + 1
    last_start = (size + found.pads[axis] - 1) // stride + 1  # no window starts in the end padding
    return minimum(rounded_up, last_start)


# --- convolutions -----------------------------------------------------------------------------


def _kernel_dims(call: Call, weight: Axes) -> Axes:
    declared: Sequence[int] | None = call.attribute("kernel_shape")
    if declared is None:
        return weight[2:]
    if len(declared) != len(weight) - 2:
        raise refuse(call, f"kernel_shape={list(declared)} for {len(weight) - 2} spatial axes")
    for given, size in zip(declared, weight[2:], strict=True):
        if isinstance(size, int) and size != given:
            raise refuse(call, f"kernel_shape={list(declared)} differs from the kernel {shown(weight[2:])}")
    return tuple(declared)


def convolution_dims(call: Call, data: int = 0, kernel: int = 1, bias: int = 2) -> Axes | None:
    """The shape of a convolution's result. Raises G0401, G0405, G0464, G0465."""
    x, w = require_rank(call, data, 2), require_rank(call, kernel, 2)
    if x.axes is None or w.axes is None:
        return _some_axes(x, w)
    if len(x.axes) != len(w.axes):
        raise RuleError(
            "G0405", f"{call.operator.name} needs operands of one rank; these are {x} and {w}", (data, kernel)
        )
    group = call.attribute("group")
    _check_channels(call, x.axes[1], times((w.axes[1], group)), (data, kernel))
    quotient(call, w.axes[0], group, "the results by group", (kernel,))
    b = optional_tensor(call, bias)
    if b is not None and b.axes is not None:
        require_rank(call, bias, 1, 1)
        require_equal(call, b.axes[0], w.axes[0], (bias, kernel))
    found = window(call, _kernel_dims(call, w.axes))
    return (x.axes[0], w.axes[0], *window_dims(call, x.axes[2:], found))


def _some_axes(*operands: TensorType) -> Axes | None:
    """As many axes, of unknown sizes, as an operand has whose rank is known."""
    found = next((t.axes for t in operands if t.axes is not None), None)
    return None if found is None else (None,) * len(found)


def _check_channels(call: Call, have: Axis, want: Axis, operands: tuple[int, int]) -> None:
    group = call.attribute("group")
    if have != want and have is not None and want is not None:
        types = " and ".join(str(tensor(call, i)) for i in operands)
        raise RuleError(
            "G0401",
            f"{call.operator.name}: {types} with group={group}: the data has {have} channels, "
            f"the kernel takes {want}",
            operands,
            unequal=(have, want),
        )


def _conv(call: Call) -> Sequence[Type]:
    return (TensorType.of(tensor(call, 0).dtype, convolution_dims(call)),)


def _conv_integer(call: Call) -> Sequence[Type]:
    return (TensorType.of(INT32, convolution_dims(call, bias=9)),)


def _qlinear_conv(call: Call) -> Sequence[Type]:
    return (TensorType.of(tensor(call, 7).dtype, convolution_dims(call, 0, 3, 8)),)


def _deform_conv(call: Call) -> Sequence[Type]:
    dims = convolution_dims(call, bias=3)
    offset, kernel = tensor(call, 2), tensor(call, 1)
    if dims is not None and offset.axes is not None and kernel.axes is not None:
        require_rank(call, 2, len(dims), len(dims))
        for left, right in zip(offset.axes[2:], dims[2:], strict=True):
            require_equal(call, left, right, (2, 0))
    return (TensorType.of(tensor(call, 0).dtype, dims),)


def _conv_transpose(call: Call) -> Sequence[Type]:
    x, w = require_rank(call, 0, 2), require_rank(call, 1, 2)
    if x.axes is None or w.axes is None:
        return (TensorType.of(x.dtype, _some_axes(x, w)),)
    if len(x.axes) != len(w.axes):
        raise RuleError("G0405", f"ConvTranspose needs operands of one rank; these are {x} and {w}", (0, 1))
    require_equal(call, x.axes[1], w.axes[0], (0, 1))
    found = window(call, _kernel_dims(call, w.axes))
    channels = times((w.axes[1], call.attribute("group")))
    bias = optional_tensor(call, 2)
    if bias is not None and bias.axes is not None:
        require_rank(call, 2, 1, 1)
        require_equal(call, bias.axes[0], channels, (2, 1))
    return (TensorType.of(x.dtype, (x.axes[0], channels, *_transposed_dims(call, x.axes[2:], found))),)


def _transposed_dims(call: Call, spatial: Axes, found: Window) -> Axes:
    rank = len(spatial)
    wanted: Sequence[int] | None = call.attribute("output_shape")
    if wanted:
        if len(wanted) not in (rank, rank + 2):
            raise refuse(call, f"output_shape={list(wanted)} for {rank} spatial axes")
        return tuple(wanted[-rank:])
    extra = call.attribute("output_padding") or (0,) * rank
    if found.auto_pad.startswith("SAME"):
        return tuple(times(pair) for pair in zip(spatial, found.strides, strict=True))
    beside = [found.extent(i) for i in range(rank)]
    return tuple(
        None if d is None or e is None else (d - 1) * found.strides[i] + extra[i] + e - found.padding(i)
        for i, (d, e) in enumerate(zip(spatial, beside, strict=True))
    )


def _causal_conv(call: Call) -> Sequence[Type]:
    choice(call, "activation", ("none", "silu", "swish"))
    x, w = require_rank(call, 0, 3, 3), require_rank(call, 1, 3, 3)
    if x.axes is None or w.axes is None:
        return (x, TensorType.of(x.dtype, (None, None, None)))
    require_equal(call, x.axes[1], w.axes[0], (0, 1))
    require_equal(call, w.axes[1], 1, (1,))
    state = (x.axes[0], x.axes[1], of_known(lambda k: k - 1, w.axes[2]))
    past = optional_tensor(call, 3)
    if past is not None and past.axes is not None:
        require_rank(call, 3, 3, 3)
        for left, right in zip(past.axes, state, strict=True):
            require_equal(call, left, right, (3, 1))
    return (x, TensorType.of(x.dtype, state))


# --- pools ------------------------------------------------------------------------------------


def _pooled(call: Call) -> Axes | None:
    found, kernel = require_rank(call, 0, 3), call.attribute("kernel_shape")
    if found.axes is None:
        return (None,) * (len(kernel) + 2)
    if len(kernel) != len(found.axes) - 2:
        raise refuse(
            call, f"kernel_shape={list(kernel)} for the {len(found.axes) - 2} spatial axes of {found}", (0,)
        )
    return (*found.axes[:2], *window_dims(call, found.axes[2:], window(call, tuple(kernel))))


def _pool(call: Call) -> Sequence[Type]:
    return (TensorType.of(tensor(call, 0).dtype, _pooled(call)),)


def _max_pool(call: Call) -> Sequence[Type]:
    dims = _pooled(call)
    return (TensorType.of(tensor(call, 0).dtype, dims), TensorType.of(INT64, dims))


def _global_pool(call: Call) -> Sequence[Type]:
    found = require_rank(call, 0, 2)
    if found.axes is None:
        return (found,)
    return (TensorType.of(found.dtype, (*found.axes[:2], *(1,) * (len(found.axes) - 2))),)


def _max_unpool(call: Call) -> Sequence[Type]:
    found = require_rank(call, 0, 3)
    if present(call, 2):
        asked = asked_sizes(call, 2)
        return (TensorType.of(found.dtype, _some_axes(found) if asked is None else asked),)
    if found.axes is None:
        return (found,)
    kernel = tuple(call.attribute("kernel_shape"))
    shape = window(call, kernel)
    spatial = tuple(
        None if d is None else (d - 1) * shape.strides[i] + kernel[i] - shape.padding(i)
        for i, d in enumerate(found.axes[2:])
    )
    return (TensorType.of(found.dtype, (*found.axes[:2], *spatial)),)


def _max_roi_pool(call: Call) -> Sequence[Type]:
    x, rois = require_rank(call, 0, 4, 4), require_rank(call, 1, 2, 2)
    count, channels = rois.size_of(0), x.size_of(1)
    if rois.axes is not None:
        require_equal(call, rois.axes[1], 5, (1,))
    return (TensorType.of(x.dtype, (count, channels, *call.attribute("pooled_shape"))),)


def _roi_align(call: Call) -> Sequence[Type]:
    choice(call, "mode", ("avg", "max"))
    x, rois, batch = require_rank(call, 0, 4, 4), require_rank(call, 1, 2, 2), require_rank(call, 2, 1, 1)
    if rois.axes is not None:
        require_equal(call, rois.axes[1], 4, (1,))
    count = met(rois.size_of(0), batch.size_of(0))
    require_equal(call, count, batch.size_of(0), (1, 2))
    size = call.attribute("output_height"), call.attribute("output_width")
    return (TensorType.of(x.dtype, (count, x.size_of(1), *size)),)


def _col2im(call: Call) -> Sequence[Type]:
    found, image, block = require_rank(call, 0, 3, 3), asked_sizes(call, 1), asked_sizes(call, 2)
    if image is None:
        if block is None:
            return (TensorType(found.dtype, None),)
        image = (None,) * len(block)
    patch = None if block is None else times(block)
    channels = quotient(call, found.size_of(1), patch, "the columns by the block", (0,))
    return (TensorType.of(found.dtype, (found.size_of(0), channels, *image)),)


TYPES: dict[str, TypeRule] = {
    "AveragePool": _pool,
    "CausalConvWithState": _causal_conv,
    "Col2Im": _col2im,
    "Conv": _conv,
    "ConvInteger": _conv_integer,
    "ConvTranspose": _conv_transpose,
    "DeformConv": _deform_conv,
    "GlobalAveragePool": _global_pool,
    "GlobalLpPool": _global_pool,
    "GlobalMaxPool": _global_pool,
    "LpPool": _pool,
    "MaxPool": _max_pool,
    "MaxRoiPool": _max_roi_pool,
    "MaxUnpool": _max_unpool,
    "QLinearConv": _qlinear_conv,
    "RoiAlign": _roi_align,
}
