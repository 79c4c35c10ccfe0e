"""Mutated certificates: lines of a proof changed in one place, for checkers to reject."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

Json = Any
Record = dict[str, Any]


def mutations(lines: Sequence[str], count: int, seed: int) -> Iterator[list[str]]:
    """`count` copies of a certificate, each with one record of a proof changed."""
    draw = random.Random(seed)
    records = [json.loads(line) for line in lines]
    places = [n for n, r in enumerate(records) if r["record"] in ("step", "qed", "theorem")]
    functions = [r["name"] for r in records if r["record"] == "function"]
    names = [r["name"] for r in records if r["record"] in ("axiom", "theorem")]
    made = 0
    while made < count:
        place = draw.choice(places)
        record = json.loads(lines[place])
        change = draw.choice(_CHANGES[record["record"]])
        if not change(record, draw, functions, names):
            continue
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        if text != lines[place]:
            made += 1
            yield [*lines[:place], text, *lines[place + 1 :]]


Change = Callable[[Record, random.Random, list[str], list[str]], bool]


def _premise(record: Record, draw: random.Random, functions: list[str], names: list[str]) -> bool:
    """Another premise."""
    if not record["premises"]:
        return False
    place = draw.randrange(len(record["premises"]))
    record["premises"][place] = max(1, record["premises"][place] + draw.choice((-3, -2, -1, 1, 2)))
    return True


def _fewer(record: Record, draw: random.Random, functions: list[str], names: list[str]) -> bool:
    """A premise left out, or twice."""
    if not record["premises"]:
        return False
    place = draw.randrange(len(record["premises"]))
    if draw.random() < 0.5:
        del record["premises"][place]
    else:
        record["premises"].insert(place, record["premises"][place])
    return True


def _rule(record: Record, draw: random.Random, functions: list[str], names: list[str]) -> bool:
    record["rule"] = draw.choice(("symmetry", "reflexivity", "absurd", "assume", "distinct", "transitivity"))
    for key in ("name", "substitution", "positions", "position"):
        record.pop(key, None)
    return True


def _cited(record: Record, draw: random.Random, functions: list[str], names: list[str]) -> bool:
    if record["rule"] != "cite":
        return False
    record["name"] = draw.choice(names)
    return True


def _position(record: Record, draw: random.Random, functions: list[str], names: list[str]) -> bool:
    if not record.get("positions"):
        return False
    record["positions"] = [1 - p for p in record["positions"]]
    return True


def _substitution(record: Record, draw: random.Random, functions: list[str], names: list[str]) -> bool:
    terms = record.get("substitution")
    if not terms:
        return False
    return _changed_inside(terms, draw, functions)


def _conclusion(record: Record, draw: random.Random, functions: list[str], names: list[str]) -> bool:
    return _changed_inside(record["conclusion"], draw, functions)


def _turned(record: Record, draw: random.Random, functions: list[str], names: list[str]) -> bool:
    """The sides of an equation exchanged."""
    formula = record["conclusion"]
    if formula[0] != "=":
        return False
    formula[1], formula[2] = formula[2], formula[1]
    return True


def _statement(record: Record, draw: random.Random, functions: list[str], names: list[str]) -> bool:
    return _changed_inside(record["statement"], draw, functions)


def _ended(record: Record, draw: random.Random, functions: list[str], names: list[str]) -> bool:
    record["step"] = max(1, record["step"] - draw.choice((1, 2, 3)))
    return True


def _changed_inside(data: Json, draw: random.Random, functions: list[str]) -> bool:
    """Changes one symbol or variable somewhere in nested lists."""
    spots: list[tuple[list[Json], int]] = []
    stack: list[Json] = [data]
    while stack:
        found = stack.pop()
        for place, item in enumerate(found):
            if isinstance(item, list):
                stack.append(item)
            elif item in functions or (place and isinstance(item, str)):
                spots.append((found, place))
    if not spots:
        return False
    owner, place = draw.choice(spots)
    variables = sorted({o[p] for o, p in spots if o[p] not in functions})
    choices = functions if owner[place] in functions else variables
    owner[place] = draw.choice(choices)
    return True


_CHANGES: dict[str, tuple[Change, ...]] = {
    "step": (_premise, _fewer, _rule, _cited, _position, _substitution, _conclusion, _conclusion, _turned),
    "theorem": (_statement,),
    "qed": (_ended,),
}
