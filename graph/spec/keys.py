"""Every key of a spec: the reader checks against these tables, the JSON Schema is made from them."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = ("graph", "library", "recipe", "logic", "search")
FORMAT_VERSION = 1
ROUNDED = ("gradients", "backward", "all")


@dataclass(frozen=True, slots=True)
class Key:
    """`shape` names the value's form (see `graph.spec.schema`)."""

    name: str
    shape: str
    doc: str
    required: bool = False


_HEADER = (
    Key("graphwright", "version", "Format version; 1.", True),
    Key("kind", "kind", "What the file holds: graph, library, recipe, logic or search.", True),
    Key(
        "name",
        "document_name",
        "Letters, digits, '_' and '-'; a graph is called by it, hyphens as '_'.",
        True,
    ),
    Key("doc", "text", "What it is, for people."),
    Key("source", "provenance", "Where it comes from: title, arxiv, … (texts: quote numbers)."),
)

_BLOCK = (
    Key("inputs", "declarations", "name: type, with a domain ('in 0..9', '~ spd') or '= None' if optional."),
    Key("attributes", "attributes", "Compile-time values: a literal default, or a bare type (required)."),
    Key("slots", "slots", "Functions given at compile time: name: (types) -> types = default."),
    Key("parameters", "declarations", "Trained or loaded tensors: name: type = initialiser."),
    Key("state", "declarations", "Tensors that persist between runs: name: type = start."),
    Key("noise", "declarations", "Random tensors, drawn per call: name: type = distribution."),
    Key("require", "expressions", "Conditions over sizes, attributes and dimensions, checked at each call."),
    Key("nodes", "nodes", "name: expression; order is free, each name once."),
    Key("updates", "updates", "state: its value after the run."),
    Key("outputs", "outputs", "Names of the results (a mapping name: type asserts types).", True),
    Key("tests", "tests", "Test cases, run by 'graphwright test'."),
)

_USE = Key("use", "use", "Library files: a list of paths, or a mapping prefix: path.")
_FUNCTIONS = Key("functions", "functions", "Local functions: long form, or 'name(x, axis=-1): expression'.")

GRAPH_KEYS = (
    *_HEADER,
    _USE,
    Key("sizes", "sizes", "Named integers, or symbolic sizes with a range ('1..64')."),
    *_BLOCK,
    _FUNCTIONS,
    Key("training", "training", "How to train: loss, optimizer, data, epochs, metrics."),
    Key("program", "program", "What function the graph stands for, with what error, and its certificates."),
)
FUNCTION_KEYS = (Key("doc", "text", "What it computes."), *_BLOCK)
LIBRARY_KEYS = (*_HEADER, _USE, _FUNCTIONS)
RECIPE_KEYS = (
    *_HEADER,
    Key("data", "data_sets", "Named data: name: source, such as 'digits.train[:256]'."),
    Key("passes", "passes", "Passes in order: a name, or a mapping of one name to its options.", True),
    Key("metrics", "bindings", "Metrics by name, in place of the graph's own."),
    Key("budget", "expressions", "Conditions at the end, against 'start.' (the recipe's input)."),
    Key("verify", "verify", "When contracts are checked: none, final or each."),
)
TEST_KEYS = (
    Key("name", "text", "What the test shows.", True),
    Key("sizes", "bindings", "Sizes and dimensions of this test."),
    Key("inputs", "bindings", "Inputs: numbers, lists or generators."),
    Key("attributes", "bindings", "Attributes of the graph or function."),
    Key("parameters", "bindings", "Parameters, by path."),
    Key("state", "bindings", "State before the run, by path."),
    Key("noise", "bindings", "Noise in place of drawn values, by path."),
    Key("slots", "bindings", "Functions bound to slots."),
    Key("let", "bindings", "Names for expressions used below."),
    Key("training", "boolean", "Run the training variant."),
    Key("seed", "natural", "Seed of everything drawn."),
    Key("tolerance", "tolerance", "rtol and atol of 'allclose'."),
    Key("backends", "backends", "Run only on these backends."),
    Key("expect", "expressions", "Conditions that hold everywhere."),
    Key("expect_error", "code", "The code of the diagnostic that the test must give, in place of 'expect'."),
)
TOLERANCE_KEYS = (
    Key("rtol", "positive_or_zero", "Relative tolerance."),
    Key("atol", "positive_or_zero", "Absolute tolerance."),
)
TRAINING_KEYS = (
    Key("data", "data", "A built-in data set, a file, or source, validation and bind."),
    Key("loss", "path", "The node to be made small."),
    Key("optimizer", "optimizer", "A call such as adam(lr=1e-3), or a list of groups."),
    Key("alternate", "alternate", "Steps taken in turn, one mini-batch each."),
    Key("parameters", "paths", "Train only these parameters (path prefixes)."),
    Key("freeze", "paths", "Leave these parameters as they are (path prefixes)."),
    Key("epochs", "positive", "Passes over the data."),
    Key("steps", "positive", "Optimiser steps, in place of epochs."),
    Key("batch", "positive", "Rows of a mini-batch."),
    Key("clip_norm", "positive_number", "Largest norm of the whole gradient."),
    Key("seed", "natural", "Seed of initialisers, batches and noise."),
    Key("quantize", "quantize", "Train for a quantized result: schemes of weights, activations, gradients."),
    Key("after_step", "bindings", "Parameters or state: their value after each step."),
    Key("metrics", "bindings", "Metrics by name."),
)
QUANTIZE_KEYS = (
    Key("weights", "scheme", "The scheme of weights: a grid, a preset, or a mapping; float by default."),
    Key("activations", "scheme", "The scheme of the inputs of layers; float by default."),
    Key("gradients", "scheme", "The grid of output gradients in the products of the backward pass."),
    Key("rules", "rules", "Schemes by layer: {match: {…}, scheme: …}; the first that matches wins."),
    Key("schemes", "named_schemes", "Schemes by name, for rules."),
    Key("skip", "names", "Layers that stay float, by name or pattern."),
    Key("stages", "share", "The share of the steps of a first stage with real weights (surrogate sine)."),
    Key("hadamard", "natural", "Rotates the operands of simulated products by blocks of so many; 0: not."),
    Key("stochastic", "rounded", "What simulated products round stochastically: gradients, backward, all."),
)
STEP_KEYS = (
    Key("loss", "path", "The node to be made small.", True),
    Key("optimizer", "optimizer", "This step's optimizer, if not the common one."),
    Key("parameters", "paths", "Move only these parameters."),
)
GROUP_KEYS = (
    Key("parameters", "paths", "Path prefixes of the group.", True),
    Key("optimizer", "call", "The group's optimizer.", True),
)
DATA_KEYS = (
    Key("source", "data_source", "A built-in data set or a file, with an optional slice.", True),
    Key("validation", "share", "Share of the rows held out, from 0 up to 1."),
    Key("bind", "bindings", "input: expression over the columns."),
)
PROGRAM_KEYS = (
    Key("function", "approximated", "The function: exp, log2, sin, gelu, …", True),
    Key("domain", "bounds_pair", "[low, high]: the inputs for which the certificates hold.", True),
    Key("error", "metric", "How the error is measured: absolute, relative or ulp.", True),
    Key("reduction", "text", "How inputs are brought to the range of the core."),
    Key(
        "special",
        "special_values",
        "Results for nan, inf, -inf, zero, -zero, subnormal, overflow, underflow.",
    ),
    Key("certificates", "certificates", "Bounds of the error that 'graphwright certify' checks again."),
    Key("cost", "costs", "Operations by name, counted."),
    Key("provenance", "facts", "How it was found: search, seed, command."),
)
CERTIFICATE_KEYS = (
    Key("kind", "certificate_kind", "How it was made: exhaustive, ball, interval or gappa.", True),
    Key("arithmetic", "arithmetic", "Of the program as executed (the default), or in real numbers."),
    Key("bound", "positive_or_zero", "The error is at most this.", True),
    Key("method", "text", "What was computed."),
    Key("worst", "bound", "The input with the largest error found."),
    Key("inputs", "positive", "How many inputs were checked."),
    Key("tools", "facts", "Versions of what computed it."),
    Key("digest", "text", "Of the program and this certificate.", True),
)
LOGIC_KEYS = (
    *_HEADER,
    Key("sorts", "sorts", "Kinds of individuals: name: 'any', or its constructors ('0 | s(Nat)').", True),
    Key("functions", "symbols", "Functions: symbol: (Nat, Nat) -> Nat, or 'Nat = s(0)' for a constant."),
    Key(
        "relations", "relations", "Relations: symbol: (Nat, Nat); outputs after an arrow: (Nat, Nat -> Nat)."
    ),
    Key("variables", "symbols", "Names of variables: 'x, y, z: Nat'."),
    Key("definitions", "formulas", "Relations defined by a formula: 'x <= y': some z. x + z = y."),
    Key("axioms", "statements", "What is taken for true: name: formula, infix or MPL."),
    Key("models", "models", "Structures in which the axioms hold, to tell what is false."),
    Key("bounds", "bounds", "Limits of conjecturing and of the search."),
    Key("goals", "statements", "What is to be proved: name: formula, infix or MPL."),
    Key("mpl", "symbols", "Anchors of MPL: name: the symbols that its arguments stand for, in order."),
)
RELATION_KEYS = (
    Key("type", "text", "The sorts of its places, outputs after an arrow.", True),
    Key("total", "text", "The axiom that says that there is an output for all inputs."),
    Key("single", "text", "The axiom that says that there is at most one output."),
    Key("constructors", "text", "The functions that generate a relation of one place: '0 | s(_)'."),
)
BOUNDS_KEYS = (
    Key("operators", "natural", "Functions in an enumerated term."),
    Key("variables", "natural", "Variables of each sort in an enumerated term."),
    Key("conditions", "natural", "Conditions of a conjecture."),
    Key("points", "positive", "Points on which terms are compared."),
    Key("conjectures", "natural", "Conjectures kept at most."),
    Key("rounds", "positive", "Rounds of saturation an obligation."),
    Key("nodes", "counts", "Terms of a block in the first, second, … attempt."),
    Key("splits", "natural", "Nested case splits."),
    Key("witnesses", "natural", "Witnesses opened an obligation."),
    Key("depth", "natural", "Nested inductions."),
    Key("cycles", "positive", "Rounds in which theorems become lemmas of others."),
    Key("seconds", "positive_number", "CPU seconds in all."),
)
GENERATED_KEYS = (
    Key("depth", "positive", "Nested constructors of the terms tried.", True),
    Key("atoms", "counts_by_sort", "Individuals of the sorts without constructors."),
    Key("limit", "positive", "Terms tried at most, a sort."),
)
PASS_KEYS = (
    Key("data", "path", "Name of the data that the pass may look at."),
    Key("budget", "expressions", "Conditions against 'before.' (the pass's input)."),
)

CONTEXTS: tuple[tuple[str, tuple[Key, ...]], ...] = (
    ("a graph", GRAPH_KEYS),
    ("a function", FUNCTION_KEYS),
    ("a library", LIBRARY_KEYS),
    ("a recipe", RECIPE_KEYS),
    ("a theory", LOGIC_KEYS),
    ("a relation", RELATION_KEYS),
    ("a model of terms", GENERATED_KEYS),
    ("'bounds:'", BOUNDS_KEYS),
    ("a test", TEST_KEYS),
    ("'training:'", TRAINING_KEYS),
    ("'data:' of a training", DATA_KEYS),
    ("'program:'", PROGRAM_KEYS),
    ("a certificate", CERTIFICATE_KEYS),
    ("'quantize:' of a training", QUANTIZE_KEYS),
)


def contexts_of(name: str) -> tuple[str, ...]:
    """Where else a key is valid."""
    return tuple(context for context, keys in CONTEXTS if any(key.name == name for key in keys))
