"""Our Metamath verifier, against hand-made databases and the program `metamath`."""

from __future__ import annotations

import random
import shutil

import pytest

from graphwright.backends.logic.checkers import ACCEPTED, metamath_verdict, python_verdict
from graphwright.backends.logic.metamath_verifier import MetamathError, verify

needs_metamath = pytest.mark.skipif(shutil.which("metamath") is None, reason="metamath is not installed")

# Demo0 of the Metamath book: t = t from two axioms and modus ponens, and a quantifier for `$d`.
DATABASE = """
$( A tiny theory $)
$c 0 + = -> ( ) term wff |- A. setvar $.
$v t r s P Q x y $.
tt $f term t $.  tr $f term r $.  ts $f term s $.
wp $f wff P $.  wq $f wff Q $.
vx $f setvar x $.  vy $f setvar y $.
tze $a term 0 $.
tpl $a term ( t + r ) $.
weq $a wff t = r $.
wim $a wff ( P -> Q ) $.
wal $a wff A. x P $.
a1 $a |- ( t = r -> ( t = s -> r = s ) ) $.
a2 $a |- ( t + 0 ) = t $.
${ min $e |- P $.  maj $e |- ( P -> Q ) $.  mp $a |- Q $. $}
${ $d x P $.  ax5 $a |- ( P -> A. x P ) $. $}
th1 $p |- t = t $=
  tt tze tpl tt weq tt tt weq tt a2 tt tze tpl tt weq tt tze tpl tt weq tt tt weq wim tt a2
  tt tze tpl tt tt a1 mp mp $.
th1c $p |- t = t $= ( tze tpl weq a2 wim a1 mp ) ABCZADZAADZAEZJJKFLIAAGHH $.
${ $d x Q $. useful $p |- ( Q -> A. x Q ) $= wq vx ax5 $. $}
"""


def test_the_book_s_example_is_accepted() -> None:
    report = verify(DATABASE)
    assert report.theorems == ("th1", "th1c", "useful")
    assert report.axioms == ("tze", "tpl", "weq", "wim", "wal", "a1", "a2", "mp", "ax5")


WRONG = {
    "a step left out": ("a1 mp mp $.", "a1 mp $."),
    "a step too many": ("a1 mp mp $.", "a1 mp mp tt $."),
    "an unknown label": ("a1 mp mp $.", "a1 mp nope $."),
    "another theorem": ("th1 $p |- t = t", "th1 $p |- t = r"),
    "a label used twice": ("th1c $p", "th1 $p"),
    "citing itself": (
        "useful $p |- ( Q -> A. x Q ) $= wq vx ax5 $.",
        "useful $p |- ( Q -> A. x Q ) $= useful $.",
    ),
    "variables that must be apart": ("${ $d x Q $. useful", "${ useful"),
    "an incomplete proof": ("$= wq vx ax5 $.", "$= ? $."),
    "a saved step that is none": ("ABCZADZ", "ABCADZ"),
    "a number without a meaning": ("ABCZADZ", "AUTCZADZ"),
    "a letter out of place": ("GHH $.", "GHZZ $."),
    "a mandatory hypothesis listed": ("( tze tpl", "( tt tze tpl"),
    "an undeclared symbol": ("tze $a term 0 $.", "tze $a term 1 $."),
    "a variable without a type": ("tt $f term t $.", ""),
    "a hypothesis of another block": ("th1 $p |- t = t $=", "th1 $p |- t = t $= min"),
    "an open block": ("${ $d x Q $. useful", "${ ${ $d x Q $. useful"),
    "an open comment": ("$( A tiny theory $)", "$( A tiny theory"),
    "a comment in a comment": ("$( A tiny theory $)", "$( A $( tiny theory $)"),
    "a file to include": ("$( A tiny theory $)", "$[ other.mm $]"),
    "a label that is a symbol": ("tze $a term 0 $.", "term $a term 0 $."),
    "a constant that is a variable": ("$v t r s P Q x y $.", "$v t r s P Q x y 0 $."),
    "the end inside a statement": ("wq vx ax5 $. $}", "wq vx ax5"),
    "a character beyond ASCII": ("A tiny theory", "A tinÿ theory"),
}


@pytest.mark.parametrize("name", WRONG)
def test_faults_are_found(name: str) -> None:
    old, new = WRONG[name]
    assert old in DATABASE
    with pytest.raises(MetamathError):
        verify(DATABASE.replace(old, new))


@needs_metamath
def test_the_program_agrees_on_these() -> None:
    assert metamath_verdict(DATABASE).verdict == ACCEPTED
    lenient = {"a mandatory hypothesis listed", "a character beyond ASCII", "a file to include"}
    for name, (old, new) in WRONG.items():
        if name not in lenient:
            assert metamath_verdict(DATABASE.replace(old, new)).verdict != ACCEPTED, name


@needs_metamath
def test_both_agree_on_mutated_databases() -> None:
    """One token changed or left out. The program overlooks nothing that ours accepts, and the other way
    round, but for what it forgives in notation."""
    draw = random.Random(3)
    tokens = DATABASE.split()
    rejected = 0
    for _ in range(60):
        place = draw.randrange(5, len(tokens))
        changed = list(tokens)
        if draw.random() < 0.3:
            del changed[place]
        else:
            changed[place] = draw.choice(tokens[5:])
        text = "\n".join(changed) + "\n"
        ours, theirs = python_verdict(text), metamath_verdict(text)
        if ours.verdict == ACCEPTED:
            assert theirs.verdict == ACCEPTED, text
        rejected += ours.is_bad
    assert rejected > 40
