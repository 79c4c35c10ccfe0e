"""From the text of `training:` to its steps: optimizers, schedules, groups, frozen parameters (R39)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ...graph.diagnostics import did_you_mean, fail
from ...graph.spec import expressions as ex
from ...graph.spec.documents import Label, OptimizerStep, Training
from ...graph.spec.vocabulary import Entry, Option, Table
from .training_plan import OptimizerCall, OptionValue, ParameterGroup, Schedule, TrainingStep


@dataclass(frozen=True, slots=True)
class Limits:
    """An option's doc, its kind, and the values it may have: [low, high), low left out where `open`."""

    doc: str
    kind: str = "float"
    low: float = 0.0
    high: float = float("inf")
    open: bool = False


_RATE = "the learning rate, or a schedule: cosine(1e-3, warmup=100)"
_DECAY = Limits("pulls parameters to zero")
_BETAS = Limits("decay of the running means", "list", 0.0, 1.0)
_EPS = Limits("added to the denominator")
_MOMENTUM = Limits("share of the last move that is kept")

OPTIMIZERS: Mapping[str, tuple[str, Mapping[str, Limits]]] = {
    "sgd": (
        "stochastic gradient descent",
        {
            "momentum": _MOMENTUM,
            "dampening": Limits("share of the gradient left out of the momentum"),
            "weight_decay": _DECAY,
            "nesterov": Limits("look ahead along the momentum", "bool"),
        },
    ),
    "adam": (
        "adaptive moments, decay added to the gradient",
        {
            "betas": _BETAS,
            "eps": _EPS,
            "weight_decay": _DECAY,
            "amsgrad": Limits("use the largest second moment", "bool"),
        },
    ),
    "adamw": (
        "adaptive moments, decay apart from the gradient",
        {
            "betas": _BETAS,
            "eps": _EPS,
            "weight_decay": _DECAY,
            "amsgrad": Limits("use the largest second moment", "bool"),
        },
    ),
    "rmsprop": (
        "gradient over its running magnitude",
        {
            "alpha": Limits("decay of the magnitude", high=1.0),
            "eps": _EPS,
            "weight_decay": _DECAY,
            "momentum": _MOMENTUM,
            "centered": Limits("subtract the running mean", "bool"),
        },
    ),
    "adagrad": (
        "gradient over its accumulated magnitude",
        {
            "lr_decay": Limits("fall of the rate with the steps"),
            "weight_decay": _DECAY,
            "initial_accumulator_value": Limits("start of the magnitude"),
            "eps": _EPS,
        },
    ),
    "lion": ("sign of the averaged gradient", {"betas": _BETAS, "weight_decay": _DECAY}),
}

_WARMUP = Limits("steps of linear rise", "int")
_EVERY = Limits("steps between", open=True)
SCHEDULES: Mapping[str, Mapping[str, Limits]] = {
    "constant": {"warmup": _WARMUP},
    "cosine": {"warmup": _WARMUP, "final": Limits("rate at the end")},
    "linear": {"warmup": _WARMUP, "final": Limits("rate at the end")},
    "step": {"every": _EVERY, "factor": Limits("multiplies the rate", open=True), "warmup": _WARMUP},
    "exponential": {"factor": Limits("multiplies the rate", open=True), "every": _EVERY, "warmup": _WARMUP},
}
_NEEDED = {"step": ("every", "factor"), "exponential": ("factor",)}


def optimizer_table() -> Table:
    """The optimizers for the reader's vocabulary."""
    rate = Option("any", _RATE, required=True)
    return {
        name: Entry(
            doc, {"lr": rate, **{o: Option(limits.kind, limits.doc) for o, limits in options.items()}}
        )
        for name, (doc, options) in OPTIMIZERS.items()
    }


def training_steps(
    training: Training, parameters: Sequence[str], numbers: Mapping[str, float] | None = None
) -> tuple[TrainingStep, ...]:
    """The steps of a training over the floating-point `parameters` (dotted paths). `numbers` are
    the sizes and attributes that options may name.

    Raises SpecError: G0963, G0964 for optimizers, G0967 for a prefix without parameters, G0968
    where nothing is left to move, G0972 for a parameter in two groups.
    """
    known = dict(numbers or {})
    frozen = {p for label in training.freeze for p in _matching(label, parameters)}
    free = [p for p in parameters if p not in frozen]
    return tuple(_step(step, free, parameters, known) for step in training.alternate)


def _step(
    step: OptimizerStep, free: Sequence[str], parameters: Sequence[str], numbers: Mapping[str, float]
) -> TrainingStep:
    allowed = set(free)
    if step.parameters:
        allowed &= {p for label in step.parameters for p in _matching(label, parameters)}
    pairs = step.groups or (((), step.optimizer),)
    groups, owners = [], dict[str, Label | None]()
    for labels, call in pairs:
        assert call is not None  # the reader refuses a loss without an optimizer
        members = _members(labels, free, parameters, owners)
        chosen = tuple(p for p in members if p in allowed)
        if chosen:
            groups.append(ParameterGroup(chosen, optimizer_call(call, numbers)))
    if not groups:
        raise fail("G0968", f"no parameter is left for '{step.loss.text}' to move", step.loss.span)
    return TrainingStep(step.loss.text, tuple(groups))


def _members(
    labels: Iterable[Label], free: Sequence[str], parameters: Sequence[str], owners: dict[str, Label | None]
) -> list[str]:
    """The parameters of one group, all of them where it names none."""
    found: dict[str, Label | None] = {}
    for label in labels:
        found.update(dict.fromkeys(_matching(label, parameters), label))
    members: dict[str, Label | None] = found or dict.fromkeys(free)
    for name, owner in members.items():
        if name in owners:
            raise fail("G0972", f"'{name}' is in two groups", owner.span if owner is not None else None)
        owners[name] = owner
    return list(members)


def _matching(label: Label, parameters: Sequence[str]) -> list[str]:
    """The parameters at a dotted path or below it."""
    found = [p for p in parameters if p == label.text or p.startswith(f"{label.text}.")]
    if not found:
        prefixes = {".".join(p.split(".")[: i + 1]) for p in parameters for i in range(p.count(".") + 1)}
        hint = did_you_mean(label.text, sorted(prefixes))
        raise fail("G0967", f"no parameter is called '{label.text}' or lies below it", label.span, hint=hint)
    return found


# --- optimizers and schedules ---------------------------------------------------------------------


def optimizer_call(expression: ex.Expression, numbers: Mapping[str, float] | None = None) -> OptimizerCall:
    """`adamw(lr=cosine(1e-3), weight_decay=0.01)` as a record. Raises SpecError G0963, G0964."""
    name = _called(expression)
    if name not in OPTIMIZERS:
        hint = did_you_mean(name, OPTIMIZERS) or f"there are {', '.join(OPTIMIZERS)}"
        raise fail("G0963", f"there is no optimizer '{name}'", expression.span, hint=hint)
    keywords = expression.keywords if isinstance(expression, ex.Call) else ()
    given = {k.name: k for k in keywords}
    if isinstance(expression, ex.Call) and expression.arguments:
        raise fail("G0964", f"the options of {name} are given by name", expression.arguments[0].span)
    if "lr" not in given:
        raise fail("G0964", f"{name} needs lr=", expression.span, hint=f"write {name}(lr=1e-3)")
    rate = _schedule(given.pop("lr").value, numbers or {})
    options = {n: _option(name, OPTIMIZERS[name][1], k, numbers or {}) for n, k in given.items()}
    betas = options.get("betas")
    if betas is not None and (not isinstance(betas, tuple) or len(betas) != 2):
        raise fail("G0964", "betas is a list of two numbers", given["betas"].span, hint="betas=[0.9, 0.999]")
    if options.get("nesterov") and not options.get("momentum"):
        raise fail("G0964", "nesterov needs a momentum", given["nesterov"].span)
    return OptimizerCall(name, rate, options)


def _called(expression: ex.Expression) -> str:
    function = expression.function if isinstance(expression, ex.Call) else expression
    if not isinstance(function, ex.Name):
        raise fail("G0963", "this is a call such as adam(lr=1e-3)", expression.span)
    return function.name


def _schedule(expression: ex.Expression, numbers: Mapping[str, float]) -> Schedule:
    if not isinstance(expression, ex.Call):
        return Schedule("constant", _rate(expression, numbers))
    kind = _called(expression)
    if kind not in SCHEDULES:
        hint = did_you_mean(kind, SCHEDULES) or f"there are {', '.join(SCHEDULES)}"
        raise fail("G0963", f"there is no schedule '{kind}'", expression.span, hint=hint)
    keywords = {k.name: k for k in expression.keywords}
    named = keywords.pop("lr", None)
    values = [*expression.arguments, *([named.value] if named is not None else [])]
    if len(values) != 1:
        raise fail("G0964", f"{kind} takes one rate", expression.span, hint=f"write {kind}(1e-3)")
    options = {n: _option(kind, SCHEDULES[kind], k, numbers) for n, k in keywords.items()}
    missing = [n for n in _NEEDED.get(kind, ()) if n not in options]
    if missing:
        raise fail("G0964", f"{kind} needs {missing[0]}=", expression.span)
    plain = {n: v for n, v in options.items() if isinstance(v, float | int)}
    return Schedule(kind, _rate(values[0], numbers), plain)


def _rate(expression: ex.Expression, numbers: Mapping[str, float]) -> float:
    rate = number(expression, numbers)
    if not 0 <= rate < float("inf"):
        raise fail("G0964", f"a learning rate is not negative; this is {rate:g}", expression.span)
    return rate


def _option(
    owner: str, table: Mapping[str, Limits], keyword: ex.Keyword, numbers: Mapping[str, float]
) -> OptionValue:
    limits = table.get(keyword.name)
    if limits is None:
        hint = did_you_mean(keyword.name, table) or f"it has {', '.join(table)}"
        raise fail("G0964", f"{owner} has no option '{keyword.name}'", keyword.span, hint=hint)
    if limits.kind == "bool":
        if not isinstance(keyword.value, ex.Boolean):
            raise fail("G0964", f"{keyword.name} is true or false", keyword.value.span)
        return keyword.value.value
    if limits.kind == "list":
        if not isinstance(keyword.value, ex.ListOf):
            raise fail("G0964", f"{keyword.name} is a list", keyword.value.span)
        return tuple(_limited(item, keyword.name, limits, numbers) for item in keyword.value.items)
    return _limited(keyword.value, keyword.name, limits, numbers)


def _limited(expression: ex.Expression, name: str, limits: Limits, numbers: Mapping[str, float]) -> float:
    value = number(expression, numbers)
    inside = limits.low < value if limits.open else limits.low <= value
    if not inside or not value < limits.high:
        most = "" if limits.high == float("inf") else f" and below {limits.high:g}"
        least = "above" if limits.open else "at least"
        raise fail("G0964", f"{name} is {least} {limits.low:g}{most}; this is {value:g}", expression.span)
    if limits.kind == "int" and value != int(value):
        raise fail("G0964", f"{name} is a whole number; this is {value:g}", expression.span)
    return value


def number(expression: ex.Expression, numbers: Mapping[str, float]) -> float:
    """The value of arithmetic on numbers, sizes and attributes. Raises SpecError G0964."""
    if isinstance(expression, ex.Number):
        return float(expression.value)
    if isinstance(expression, ex.Name) and expression.name in numbers:
        return float(numbers[expression.name])
    if isinstance(expression, ex.Unary) and expression.operator in ("-", "+"):
        value = number(expression.operand, numbers)
        return -value if expression.operator == "-" else value
    if isinstance(expression, ex.Binary) and expression.operator in _ARITHMETIC:
        left, right = number(expression.left, numbers), number(expression.right, numbers)
        try:
            return float(_ARITHMETIC[expression.operator](left, right))
        except (ZeroDivisionError, OverflowError, TypeError) as error:
            raise fail("G0964", f"this is no number: {error}", expression.span) from error
    hint = did_you_mean(expression.name, numbers) if isinstance(expression, ex.Name) else None
    raise fail("G0964", "this must be a number", expression.span, hint=hint)


_ARITHMETIC = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "**": lambda a, b: a**b,
}
