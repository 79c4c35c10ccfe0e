"""`training:` and its data, optimisers and metrics (R39-R41)."""

from __future__ import annotations

from ..diagnostics import Span, did_you_mean
from .documents import DataDeclaration, Label, OptimizerStep, Training, Update
from .expression_parser import parse_expression
from .expressions import Call, Expression, Name
from .keys import DATA_KEYS, GROUP_KEYS, QUANTIZE_KEYS, STEP_KEYS, TRAINING_KEYS
from .paths import is_file_name, relative_path_problem
from .plain import plain_value
from .reading import Reading
from .vocabulary import Entry
from .yaml_nodes import YamlNode, YamlScalar, YamlSequence

Groups = tuple[tuple[tuple[Label, ...], Expression], ...]


def read_training(reading: Reading, node: YamlNode, key: Span) -> Training | None:
    """The `training:` block, or None where it is unusable; mistakes are collected in `reading`."""
    fields = reading.fields(node, TRAINING_KEYS, "'training:'", key)
    if fields is None:
        return None

    def positive(name: str) -> int | None:
        return reading.integer(fields[name], f"'{name}:'", low=1) if name in fields else None

    if "epochs" in fields and "steps" in fields:
        reading.error(
            "G0902", "'epochs:' and 'steps:' exclude each other", fields["steps"].span, hint="keep one"
        )
    seed = reading.integer(fields["seed"], "'seed:'", low=0) if "seed" in fields else None
    clip = fields.get("clip_norm")
    after = fields.get("after_step")
    return Training(
        node.span,
        _steps(reading, fields, key),
        data=read_data(reading, fields["data"]) if "data" in fields else None,
        epochs=positive("epochs"),
        steps=positive("steps"),
        batch=positive("batch"),
        clip_norm=None if clip is None else reading.number(clip, "'clip_norm:'", low=0.0, open_low=True),
        seed=seed or 0,
        freeze=reading.paths(fields["freeze"], "'freeze:'") if "freeze" in fields else (),
        after_step=()
        if after is None
        else tuple(
            Update(b.name, b.expression) for b in reading.bindings(after, "'after_step:'", dotted=True)
        ),
        metrics=reading.bindings(fields["metrics"], "'metrics:'") if "metrics" in fields else (),
        quantize=_quantize(reading, fields["quantize"]) if "quantize" in fields else None,
        quantize_span=fields["quantize"].span if "quantize" in fields else None,
    )


def _quantize(reading: Reading, node: YamlNode) -> dict[str, object] | None:
    """The options of `quantize:` as plain data; schemes are read where the passes are known."""
    fields = reading.fields(node, QUANTIZE_KEYS, "'quantize:'", node.span)
    return None if fields is None else {name: plain_value(value) for name, value in fields.items()}


def _steps(reading: Reading, fields: dict[str, YamlNode], key: Span) -> tuple[OptimizerStep, ...]:
    if ("loss" in fields) == ("alternate" in fields):
        both = "loss" in fields
        message = "'loss:' and 'alternate:' exclude each other" if both else "nothing to train: no 'loss:'"
        hint = "keep one" if both else "name the node to be made small: 'loss: loss'"
        reading.error("G0901", message, fields["alternate"].span if both else key, hint=hint)
    optimizer, groups = _optimizer(reading, fields["optimizer"]) if "optimizer" in fields else (None, ())
    parameters = reading.paths(fields["parameters"], "'parameters:'") if "parameters" in fields else ()
    if "alternate" in fields:
        return _alternation(
            reading, fields["alternate"], optimizer, groups, parameters, "optimizer" in fields
        )
    if "loss" not in fields:
        return ()
    if "optimizer" not in fields:
        _no_optimizer(reading, key)
    loss = reading.path(fields["loss"], "'loss:'")
    return () if loss is None else (OptimizerStep(loss, optimizer, groups, parameters),)


def _no_optimizer(reading: Reading, span: Span) -> None:
    reading.error("G0903", "a loss without an optimizer", span, hint="add 'optimizer: adam(lr=1e-3)'")


def _alternation(
    reading: Reading,
    node: YamlNode,
    optimizer: Expression | None,
    groups: Groups,
    parameters: tuple[Label, ...],
    common: bool,
) -> tuple[OptimizerStep, ...]:
    found: list[OptimizerStep] = []
    for item in reading.items(node, "'alternate:'"):
        fields = reading.fields(item, STEP_KEYS, "a step of 'alternate:'", item.span)
        if fields is None or "loss" not in fields:
            continue
        own = fields.get("optimizer")
        if own is None and not common:
            _no_optimizer(reading, item.span)
        step_optimizer, step_groups = (optimizer, groups) if own is None else _optimizer(reading, own)
        loss = reading.path(fields["loss"], "'loss:'")
        moved = reading.paths(fields["parameters"], "'parameters:'") if "parameters" in fields else parameters
        if loss is not None:
            found.append(OptimizerStep(loss, step_optimizer, step_groups, moved))
    return tuple(found)


def _optimizer(reading: Reading, node: YamlNode) -> tuple[Expression | None, Groups]:
    if not isinstance(node, YamlSequence):
        return _call(reading, node), ()
    groups: list[tuple[tuple[Label, ...], Expression]] = []
    for item in reading.items(node, "'optimizer:'"):
        fields = reading.fields(item, GROUP_KEYS, "a group of 'optimizer:'", item.span)
        if fields is None or "parameters" not in fields or "optimizer" not in fields:
            continue
        call = _call(reading, fields["optimizer"])
        if call is not None:
            groups.append((reading.paths(fields["parameters"], "'parameters:'"), call))
    return None, tuple(groups)


def _call(reading: Reading, node: YamlNode) -> Expression | None:
    scalar = reading.scalar(node, "'optimizer:'", "a call such as adam(lr=1e-3)")
    found = None if scalar is None else reading.attempt(parse_expression, scalar)
    if found is None:
        return None
    if isinstance(found, Name):
        found = Call(found.span, found, (), ())
    if not isinstance(found, Call) or not isinstance(found.function, Name):
        hint = "write 'adam(lr=1e-3)'; groups are a list of 'parameters:' and 'optimizer:'"
        reading.error("G0904", "an optimizer is a call", found.span, hint=hint)
        return None
    _check_call(reading, found, found.function)
    return found


def _check_call(reading: Reading, call: Call, function: Name) -> None:
    known = reading.vocabulary.optimizers
    if not known:
        return
    entry = known.get(function.name)
    if entry is None:
        hint = did_you_mean(function.name, known) or f"one of {' '.join(known)}"
        reading.error("G0904", f"there is no optimizer '{function.name}'", function.span, hint=hint)
        return
    if call.arguments:
        message = "an optimizer takes its options by keyword"
        reading.error("G0904", message, call.arguments[0].span, hint=f"write '{function.name}(lr=…)'")
    _check_options(reading, call, function.name, entry)


def _check_options(reading: Reading, call: Call, name: str, entry: Entry) -> None:
    given = {keyword.name for keyword in call.keywords}
    for keyword in call.keywords:
        if keyword.name not in entry.options and not entry.open:
            hint = did_you_mean(keyword.name, entry.options) or f"its options are {' '.join(entry.options)}"
            reading.error("G0904", f"'{name}' has no option '{keyword.name}'", keyword.span, hint=hint)
    for option, declared in entry.options.items():
        if declared.required and option not in given:
            reading.error("G0904", f"'{name}' needs '{option}='", call.span, hint=declared.doc or None)


def read_data(reading: Reading, node: YamlNode) -> DataDeclaration | None:
    """A name or file with an optional slice, or a mapping with source, validation and bind."""
    if isinstance(node, YamlScalar):
        source = data_source(reading, node)
        return None if source is None else DataDeclaration(node.span, source)
    fields = reading.fields(node, DATA_KEYS, "'data:'", node.span)
    if fields is None or "source" not in fields:
        return None
    share = reading.number(fields["validation"], "'validation:'", low=0.0) if "validation" in fields else 0.0
    if share is not None and share >= 1:
        message = "'validation:' is a share below 1"
        reading.error("G0905", message, fields["validation"].span, hint="0.1 holds out a tenth of the rows")
    bind = reading.bindings(fields["bind"], "'bind:'") if "bind" in fields else ()
    source = data_source(reading, fields["source"])
    return None if source is None else DataDeclaration(node.span, source, share or 0.0, bind)


def data_source(reading: Reading, node: YamlNode) -> Label | None:
    """`digits`, `digits.train[:256]`, `cifar10.npz`: the name is checked, a file must stay inside."""
    label = reading.text(node, "a data source")
    if label is None:
        return None
    name = label.text.split("[")[0].strip()
    if is_file_name(name):
        problem = relative_path_problem(name)
        if problem is not None:
            reading.error("G0906", f"{problem[0]}: '{name}'", label.span, hint=problem[1])
            return None
        return label
    known = reading.vocabulary.data
    base = name.split(".")[0]
    if known and base not in known:
        hint = (
            did_you_mean(base, known)
            or f"built-in are {' '.join(known)}; a file ends in .npz, .safetensors or .csv"
        )
        reading.error("G0907", f"there is no data set '{base}'", label.span, hint=hint)
        return None
    if reading.attempt(lambda: parse_expression(node)) is None:  # type: ignore[arg-type]  # a scalar: its text was just read
        return None
    return label
