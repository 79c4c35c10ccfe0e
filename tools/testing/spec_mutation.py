"""Spec texts for fuzzing: generated from the grammar or taken from the library, then mutated.

Everything is decided by one `random.Random`, so a case is its seed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import yaml

Tree = Any  # str, list or dict of such: a YAML tree whose scalars are texts

_NAMES = (
    "x", "y", "h", "logits", "B", "n", "T", "width", "label", "mean", "loss", "P", "eps", "net", "self",
    "pi",
)  # fmt: skip
_FUNCTIONS = (
    "relu", "sum", "mean", "softmax", "Conv", "MatMul", "TopK", "Split", "where",
    "concat", "stack", "einsum", "linear", "repeat", "scan", "cond", "while_loop", "partial", "grad",
    "stop_gradient", "normal", "zeros", "array", "reshape", "arange", "load", "hex", "Reshape",
    "Expand", "Loop", "ConstantOfShape", "full", "eye",
)  # fmt: skip
_BINARY = ("+", "-", "*", "/", "//", "%", "**", "@", "==", "<", "and", "or", "&", "|", "<<", "is", "!=")
_DTYPES = (
    "float32", "int64", "bool", "float64", "float", "int", "any", "uint8", "bfloat16", "string",
    "flot32",
)  # fmt: skip
_NUMBERS = (
    "0", "1", "-1", "2", "64", "0.5", "1e-5", "1e308", "1e999", "inf", "nan",
    "9223372036854775807", "99999999999999999999", "9**9**9", "010", "0x1f", "1_000", "1j",
)  # fmt: skip
_KEYS = (
    "graphwright", "kind", "name", "doc", "source", "use", "sizes", "attributes", "inputs", "slots",
    "parameters", "state", "noise", "require", "nodes", "updates", "outputs", "functions", "training",
    "tests", "passes", "data", "budget", "verify", "loss", "optimizer", "alternate", "epochs", "steps",
    "expect", "expect_error", "let", "metrics", "bind", "freeze", "after_step", "seed", "tolerance",
    "backends", "validation", "<<", "nods",
)  # fmt: skip
_PATHS = (
    "layers/basic.yaml", "../../../etc/passwd", "/etc/passwd", "..\\x.yaml", "~/x.yaml",
    "https://e.org/x.yaml", "layers/../../secret.yaml", "no/such/file.yaml", "file:///x.yaml",
    "C:\\x.npz", "../digits.npz", "/dev/zero", "/proc/self/mem", "digits.train[:256]", "x.npz[::2]",
)  # fmt: skip
_TRAPS = (
    "!!python/object/apply:os.system ['true']", "!!python/name:os.system", "!!binary aGk=",
    "&a [*a, *a]", "*nobody", "'unclosed", "{a: b, c", "[f(a, b), c]", "{y: Max(a, b)}", "a: b: c",
    "@x", "`x`", "%x", "\t", "| # c", ">2-", "\u2028", "\x00", "\x1b[31m", "\ufeff", "µ + é", "漢字",
    "\U0001f600", "\u202e", "null", "~", "", "<<: *x", "float32[99999999999999, 99999999999999]",
    "zeros(1000000000, 1000000000)", "float32[2**62, 4]", "uniform(shape=[1000000, 1000000, 1000])",
    "'a' * 1000000000", "[0] * 1000000000", "x if x else", "lambda: 0", "f(*x)", "[i for i in x]",
    "f'{x}'", "x := 1", "(1, 2)", "x[1: 3]", "x[...]", "x[::0]", "load(\"/etc/passwd\", \"x\")",
    "load(\"../../x.npz\", \"k\")", "repeat(f, x, times=1000000000)", "full(fill=1e308) * 1e308",
    "1 << 1000000", "arange(10 ** 12)", "linspace(0, 1, 10 ** 10)",
)  # fmt: skip
_TOKEN = re.compile(r"[A-Za-z_][A-Za-z_0-9]*|[0-9.]+(?:e-?[0-9]+)?|\*\*|//|[<>=!]=|\s+|.", re.DOTALL)


def corpus(folder: Path) -> tuple[str, ...]:
    """The texts of all specs below a folder, in the order of their paths."""
    return tuple(path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.yaml")))


def make_case(rng: Random, seeds: Sequence[str]) -> str:
    """One text: a seed or a generated document, with up to four mutations; now and then a bomb."""
    if rng.random() < 0.03:
        return rng.choice(_BOMBS)(rng)
    text = rng.choice(seeds) if seeds and rng.random() < 0.6 else dump(random_document(rng))
    for _ in range(rng.choice((0, 1, 1, 1, 2, 2, 3, 4))):
        text = rng.choices(_MUTATIONS, _WEIGHTS)[0](rng, text)
    return text


def dump(tree: Tree) -> str:
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return str(yaml.dump(tree, Dumper=dumper, sort_keys=False, allow_unicode=True, width=100))


# --- documents from the grammar -----------------------------------------------------------


def random_document(rng: Random) -> Tree:
    """A document with keys and values that the language has, most often a graph."""
    kind = rng.choices(("graph", "library", "recipe", "search"), (8, 2, 2, 1))[0]
    tree: dict[str, Tree] = {
        "graphwright": "1",
        "kind": kind,
        "name": rng.choice(("t", "hl-gauss", "x__y", "3d")),
    }
    if kind == "recipe":
        return {**tree, **_recipe(rng)}
    if kind == "library":
        return {**tree, "functions": _functions(rng)}
    tree.update(_block(rng))
    if rng.random() < 0.4:
        tree["functions"] = _functions(rng)
    if rng.random() < 0.3:
        tree["training"] = _training(rng)
    if rng.random() < 0.3:
        tree["use"] = [rng.choice(_PATHS) for _ in range(rng.randint(1, 2))]
    return tree


def _block(rng: Random) -> dict[str, Tree]:
    names = rng.sample(_NAMES[:14], 6)
    tree: dict[str, Tree] = {
        "inputs": {names[0]: random_type(rng), names[1]: random_type(rng)},
        "nodes": {name: random_expression(rng) for name in names[2:5]},
        "outputs": [names[2]],
    }
    if rng.random() < 0.4:
        tree["attributes"] = {
            names[5]: rng.choice(("0.1", "int", "bool", 'str = "same"', "true", "[1, 2]", "same"))
        }
    if rng.random() < 0.3:
        tree["parameters"] = {"kernel": f"{random_type(rng)} = {random_expression(rng, 1)}"}
    if rng.random() < 0.2:
        tree["state"] = {"count": "float32 = zeros()"}
        tree["updates"] = {"count": random_expression(rng, 2)}
    if rng.random() < 0.2:
        tree["noise"] = {"u": f"{random_type(rng)} = uniform()"}
    if rng.random() < 0.2:
        tree["slots"] = {"g": f"({random_type(rng)}) -> {random_type(rng)}"}
    if rng.random() < 0.3:
        tree["tests"] = [{"name": "t", "sizes": {"B": "3"}, "expect": [random_expression(rng, 2)]}]
    return tree


def _functions(rng: Random) -> dict[str, Tree]:
    found: dict[str, Tree] = {"f(x, axis=-1)": random_expression(rng, 2)}
    if rng.random() < 0.6:
        found["block"] = _block(rng)
    return found


def _training(rng: Random) -> dict[str, Tree]:
    tree: dict[str, Tree] = {
        "loss": "loss",
        "optimizer": rng.choice(("adam(lr=1e-3)", "sgd", "adam(0.1", "3")),
    }
    if rng.random() < 0.5:
        tree["epochs"] = rng.choice(("3", "0", "-1", "1e9", "many"))
    if rng.random() < 0.5:
        tree["data"] = rng.choice(_PATHS)
    return tree


def _recipe(rng: Random) -> dict[str, Tree]:
    options = {"ratio": rng.choice(_NUMBERS), "budget": random_expression(rng, 1), "data": "calibration"}
    return {
        "data": {"calibration": rng.choice(_PATHS)},
        "passes": ["fold_batch_norm", {"quantize": options}],
        "budget": [random_expression(rng, 2)],
    }


def random_type(rng: Random) -> str:
    dims = ", ".join(
        rng.choice((*_NAMES[4:8], "3", "...", "_", "2 * n", "n // 2")) for _ in range(rng.randint(0, 3))
    )
    domain = rng.choice(("", "", "", " in 0..9", " ~ spd", " in 0..", " = None"))
    return f"{rng.choice(_DTYPES)}[{dims}]{domain}"


def random_expression(rng: Random, depth: int = 3) -> str:
    """An expression in the grammar, over names that need not exist."""
    if depth == 0 or rng.random() < 0.2:
        return rng.choice((*_NAMES, *_NUMBERS, "x.shape[0]", '"ij,jk->ik"', "None", "true"))
    inner = [random_expression(rng, depth - 1) for _ in range(3)]
    form = rng.randrange(7)
    if form < 2:
        return f"{inner[0]} {rng.choice(_BINARY)} {inner[1]}"
    if form == 2:
        return f"{rng.choice(_FUNCTIONS)}({inner[0]}, {inner[1]})"
    if form == 3:
        return f"{rng.choice(_FUNCTIONS)}({inner[0]}, axis={inner[1]})"
    if form == 4:
        return f"{rng.choice(_NAMES)}[{inner[0]}, None, :{inner[1]}]"
    if form == 5:
        return f"{inner[0]} if {inner[1]} else {inner[2]}"
    return f"({rng.choice(('-', 'not ', '~', '', '[', ''))}{inner[0]})"


# --- mutations ----------------------------------------------------------------------------


def _tokens(rng: Random, text: str) -> str:
    """Replaces, removes, repeats or swaps one token."""
    tokens = _TOKEN.findall(text)
    if not tokens:
        return text
    place = rng.randrange(len(tokens))
    kind = rng.randrange(5)
    if kind == 0:
        tokens[place] = rng.choice((*_NAMES, *_FUNCTIONS, *_NUMBERS, *_BINARY, *_DTYPES))
    elif kind == 1:
        del tokens[place]
    elif kind == 2:
        tokens.insert(place, tokens[place])
    elif kind == 3:
        other = rng.randrange(len(tokens))
        tokens[place], tokens[other] = tokens[other], tokens[place]
    else:
        tokens[place] = _misspelt(rng, tokens[place])
    return "".join(tokens)


def _alike(rng: Random, text: str) -> str:
    """Puts another name, number or operator in place of one: most often still an expression, so
    that the mistake is one of meaning."""
    tokens = _TOKEN.findall(text)
    places = [i for i, token in enumerate(tokens) if _class_of(token)]
    if not places:
        return text
    place = rng.choice(places)
    kind = _class_of(tokens[place])
    pool = [token for token in tokens if _class_of(token) == kind]
    tokens[place] = rng.choice(pool if rng.random() < 0.7 else _POOLS[kind])
    return "".join(tokens)


def _class_of(token: str) -> str:
    if token in _POOLS["operator"]:
        return "operator"
    if token[0].isdigit():
        return "number"
    return "name" if token.isidentifier() else ""


_POOLS: dict[str, tuple[str, ...]] = {
    "operator": ("+", "-", "*", "/", "//", "%", "**", "@", "==", "<", "and", "or"),
    "number": ("0", "1", "2", "3", "7", "64", "0.5", "1e-5", "1e308", "9223372036854775807", "1000000000000"),
    "name": (*_NAMES, *_FUNCTIONS, *_DTYPES),
}


def _misspelt(rng: Random, word: str) -> str:
    if len(word) < 2:
        return word + rng.choice("aeé_)")
    place = rng.randrange(len(word) - 1)
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def _lines(rng: Random, text: str) -> str:
    """Removes, repeats, moves, indents or joins lines."""
    lines = text.split("\n")
    place, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    kind = rng.randrange(6)
    if kind == 0:
        del lines[place]
    elif kind == 1:
        lines.insert(other, lines[place])
    elif kind == 2:
        lines[place], lines[other] = lines[other], lines[place]
    elif kind == 3:
        lines[place] = rng.choice((" ", "  ", "\t")) + lines[place]
    elif kind == 4:
        lines[place] = lines[place].removeprefix("  ")
    else:
        lines[place] += rng.choice((" # comment", " ", ":", " |", " >", "\r", ",", ")"))
    return "\n".join(lines)


def _tree(rng: Random, text: str) -> str:
    """Changes one place of the YAML tree and writes it again: always YAML."""
    try:
        tree = yaml.load(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))
    except (yaml.YAMLError, ValueError, RecursionError):
        return text
    places = _places(tree)
    if not places:
        return text
    holder, key = rng.choice(places)
    rng.choice(_TREE_EDITS)(rng, holder, key, rng.choice(places))
    try:
        return dump(tree)
    except (yaml.YAMLError, RecursionError):
        return text


def _places(tree: Tree) -> list[tuple[Any, Any]]:
    """Each (collection, key or index) of a tree; shared parts once."""
    found: list[tuple[Any, Any]] = []
    seen: set[int] = set()
    stack = [tree]
    while stack:
        part = stack.pop()
        if not isinstance(part, dict | list) or id(part) in seen:
            continue
        seen.add(id(part))
        keys = list(part) if isinstance(part, dict) else range(len(part))
        found.extend((part, key) for key in keys)
        stack.extend(part[key] for key in keys)
    return found


def _drop(rng: Random, holder: Any, key: Any, other: tuple[Any, Any]) -> None:
    del holder[key]


def _rename(rng: Random, holder: Any, key: Any, other: tuple[Any, Any]) -> None:
    if isinstance(holder, dict):
        holder[rng.choice((*_KEYS, *_NAMES, _misspelt(rng, str(key))))] = holder.pop(key)


def _copy_here(rng: Random, holder: Any, key: Any, other: tuple[Any, Any]) -> None:
    found = other[0][other[1]] if isinstance(other[0], list) or other[1] in other[0] else "x"
    holder[key] = found if isinstance(found, str) else yaml.load(dump(found), Loader=yaml.BaseLoader)


def _replace(rng: Random, holder: Any, key: Any, other: tuple[Any, Any]) -> None:
    holder[key] = rng.choice(
        (
            rng.choice(_NUMBERS),
            rng.choice(_PATHS),
            rng.choice(_NAMES),
            [],
            {},
            "",
            ["x", ["1"]],
            {"x": "1"},
            "true",
        )
    )


def _expression(rng: Random, holder: Any, key: Any, other: tuple[Any, Any]) -> None:
    holder[key] = random_expression(rng, rng.randint(1, 4))


def _retype(rng: Random, holder: Any, key: Any, other: tuple[Any, Any]) -> None:
    holder[key] = random_type(rng)


def _wrap(rng: Random, holder: Any, key: Any, other: tuple[Any, Any]) -> None:
    holder[key] = [holder[key]] if rng.random() < 0.5 else {rng.choice(_KEYS): holder[key]}


def _token_inside(rng: Random, holder: Any, key: Any, other: tuple[Any, Any]) -> None:
    if isinstance(holder[key], str):
        holder[key] = _tokens(rng, holder[key])


def _trap_inside(rng: Random, holder: Any, key: Any, other: tuple[Any, Any]) -> None:
    holder[key] = rng.choice(_TRAPS)


_TREE_EDITS: tuple[Callable[[Random, Any, Any, tuple[Any, Any]], None], ...] = (
    _drop, _rename, _copy_here, _replace, _expression, _retype, _wrap, _token_inside, _token_inside,
    _trap_inside,
)  # fmt: skip


def _trap(rng: Random, text: str) -> str:
    """Puts a known trap in place of a value, as raw text."""
    lines = text.split("\n")
    places = [i for i, line in enumerate(lines) if ": " in line or line.lstrip().startswith("- ")]
    if not places:
        return text
    place = rng.choice(places)
    head = lines[place].split(": ")[0] + ": " if ": " in lines[place] else lines[place].split("- ")[0] + "- "
    lines[place] = head + rng.choice((*_TRAPS, *_PATHS))
    return "\n".join(lines)


def _characters(rng: Random, text: str) -> str:
    """Changes one character."""
    if not text:
        return text
    place = rng.randrange(len(text))
    return (
        text[:place]
        + rng.choice("()[]{},:'\"#&*!|>%@`-? \t\nxé\x00\x7f\u2029")
        + text[place + rng.randrange(2) :]
    )


_MUTATIONS: tuple[Callable[[Random, str], str], ...] = (_tree, _alike, _tokens, _lines, _trap, _characters)
_WEIGHTS = (45, 25, 10, 8, 6, 6)


# --- bombs --------------------------------------------------------------------------------

_START = "graphwright: 1\nkind: graph\nname: bomb\noutputs: [y]\n"


def _alias_bomb(rng: Random) -> str:
    width, levels = rng.randint(2, 12), rng.randint(2, 30)
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * width)}]" for i in range(1, levels)]
    return _START + "\n".join(lines)


def _deep(rng: Random) -> str:
    opening = rng.choice(("[", "{a: ", "- ", "(", "-", "not ", "f(", "x[", "~"))
    return f"{_START}nodes:\n  y: {opening * rng.choice((10, 70, 1000, 9000, 50_000))}x\n"


def _long(rng: Random) -> str:
    unit = rng.choice(("a + ", "x, ", "9", "a.b.", "x and ", "[0]", "a if b else ", "f(x) * ", "'a' "))
    return f"{_START}nodes:\n  y: {unit * rng.choice((100, 3000, 30_000))}x\n"


def _many(rng: Random) -> str:
    count = rng.choice((100, 2000))
    return f"{_START}nodes:\n" + "".join(f"  n{i}: f(n{rng.randrange(count)})\n" for i in range(count))


def _list(rng: Random) -> str:
    return f"{_START}nodes:\n  y: [{', '.join([rng.choice(('1', '[1, 2]', '-1.5', 'x'))] * 5000)}]\n"


_BOMBS = (_alias_bomb, _deep, _long, _many, _list)
