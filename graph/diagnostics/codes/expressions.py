"""Codes G02xx: expressions and type expressions."""

from __future__ import annotations

from .code import Code

EXPRESSIONS: tuple[Code, ...] = (
    Code(
        "G0201",
        "an expression beyond the limits",
        """At most 10,000 characters and 64 levels: specs are untrusted, and a deep expression is hard to
read. A sum of a hundred terms nests a hundred deep. Give parts of it nodes of their own.""",
    ),
    Code(
        "G0202",
        "not an expression",
        """The text does not follow the grammar of expressions, which is Python's: operators between
values, calls f(x, key=value), subscripts x[1:, None], a choice 'a if c else b'.

wrong:  y: x +
right:  y: x + 1""",
    ),
    Code(
        "G0203",
        "brackets or quotes that do not match",
        """A bracket or quote is not closed, or closed without being opened. In '{…}' and '[…]' of YAML a
comma ends the value: use block style there.

wrong:  y: f(x
right:  y: f(x)""",
    ),
    Code(
        "G0204",
        "not part of the language",
        """Expressions are whole-array: no lambda, comprehensions, f-strings, bytes, tuples, dictionaries,
starred arguments, ':=', 'in', complex numbers. Functions stand under 'functions:', loops are
'repeat' and 'scan', a complex tensor has a last axis of 2.

wrong:  y: sum([f(i) for i in x])
right:  y: sum(f(x))""",
    ),
    Code(
        "G0205",
        "a character that is not allowed",
        """Expressions are ASCII outside quoted texts. Mathematical signs have their spelling (<=, *,
sqrt(…)), Greek letters are spelt out, and comments stand outside values.

wrong:  y: µ × 2
right:  y: mu * 2""",
    ),
    Code(
        "G0206",
        "not a number that fits",
        """Integers fit 64 bits, floats fit float64, and a number has no leading zero (octal in YAML 1.1,
an error in Python).

wrong:  y: x * 010
right:  y: x * 10""",
    ),
    Code(
        "G0207",
        "an operator on a text",
        """Texts are passed on (einsum("ij,jk->ik", a, b)) and compared with == and !=; nothing else is
done with them.

wrong:  name: "a" + "b"
right:  name: "ab\"""",
    ),
    Code(
        "G0208",
        "None compared or computed with",
        """An optional input is tested with 'is None' and 'is not None', decided at compile time; 'is'
tests nothing else, and None takes part in no arithmetic.

wrong:  y: x if mask == None else x * mask
right:  y: x if mask is None else x * mask""",
    ),
    Code(
        "G0209",
        "an operator on a list",
        """Lists give shapes, axes and attributes; '+' does not join and '*' does not repeat them.

wrong:  y: [1, 2] * x
right:  y: array([1, 2]) * x""",
    ),
    Code(
        "G0210",
        "& | ^ ~ on conditions",
        """& | ^ ~ << >> are for integers and bind tighter than comparisons: 'x == 1 & m' means 'x == (1 &
m)'. Conditions are joined by and, or, not, elementwise and without brackets.

wrong:  y: (x > 0) & (x < 1)
right:  y: x > 0 and x < 1           or        0 < x < 1""",
    ),
    Code(
        "G0211",
        "arguments in the wrong order, or given twice",
        """Positional arguments come first, each keyword once.

wrong:  y: sum(axis=1, x)
right:  y: sum(x, axis=1)""",
    ),
    Code(
        "G0212",
        "a call of something that is no name",
        """Functions, operators and slots are called by their names ('f(x)', 'prefix.f(x)'); what a call
or a subscript gives is a tensor.

wrong:  y: f(a)(b)
right:  y: f(a, b)""",
    ),
    Code(
        "G0220",
        "not a type",
        """A type is a dtype and its dimensions: float32[B, 3]. A bare dtype is a scalar; '...' stands for
any run of dimensions, '_' for one unnamed; like(x) copies a type. A declaration is 'name: type
= default', with a domain before the '='.

wrong:  x: float32(B, 3)
right:  x: float32[B, 3]""",
    ),
    Code(
        "G0221",
        "unknown dtype",
        """The dtypes are the ONNX standard's: float32 float64 float16 bfloat16, int8 … int64, uint8 …
uint64, bool, string, and smaller ones. In functions 'float' and 'int' mean any such dtype, the
same throughout one call, and 'any' leaves an argument unchecked.

wrong:  x: double[B]
right:  x: float64[B]""",
    ),
    Code(
        "G0222",
        "not a domain",
        """A domain belongs to an input and stands between its type and its default: 'in low..high' (both
ends included) or '~ kind', such as '~ spd'. Real inputs are checked against it, test inputs
are drawn from it.

wrong:  label: int64[B] = None in 0..9
right:  label: int64[B] in 0..9 = None""",
    ),
    Code(
        "G0223",
        "not a size",
        """A size is an integer, an expression over other sizes, or a range: '1..64', '1..'. Floats and
texts are attributes.

wrong:  sizes: {rate: 0.5}
right:  attributes: {rate: 0.5}""",
    ),
    Code(
        "G0224",
        "not the head of a function",
        """A one-line function is 'name(inputs, attribute=default): expression': untyped inputs first,
then attributes with defaults, each once. Typed inputs need the long form.

wrong:  scale(x, by): x * by           with 'by' meant to have a default
right:  scale(x, by=2): x * by""",
    ),
    Code(
        "G0225",
        "not a slot's signature",
        """A slot's type lists the types of its inputs, by position, and of its results; it may name a
default.

wrong:  net: "(x: float32[B]) -> float32[B]"
right:  net: (float32[B]) -> float32[B] = Gelu""",
    ),
    Code(
        "G0226",
        "not an attribute",
        """An attribute has a literal default ('rate: 0.1'), a type and a default ('mode: str = "same"'),
or only a type, which makes it required ('width: int'). Types are int float bool str dtype list
any. Texts need their type, since 'mode: same' would otherwise be a name.

wrong:  attributes: {mode: same}
right:  attributes: {mode: 'str = "same"'}""",
    ),
    Code(
        "G0227",
        "a default or domain that has no place here",
        """Inputs are given by the caller: their only default is None. Parameters, state and noise are
made by their '= …' and are never None; domains belong to inputs.

wrong:  inputs: {rate: float32 = 0.1}
right:  attributes: {rate: 0.1}""",
    ),
)
