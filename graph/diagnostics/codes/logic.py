"""Codes G16xx: theories, formulas, MPL, proofs."""

from __future__ import annotations

from .code import Code

LOGIC: tuple[Code, ...] = (
    Code(
        "G1601",
        "an unknown name in a formula",
        """A name in a formula is a variable (declared under 'variables:', or bound by 'all' or 'some'), a
function, a constant or a relation of the theory.

wrong:  axioms:
          unit: e * q = q          # q is declared nowhere
right:  variables:
          q: G""",
    ),
    Code(
        "G1602",
        "the wrong number of arguments",
        """A function takes as many arguments as its type says, a relation as many as it has places.

wrong:  s(a, b) = 0        # s: (Nat) -> Nat
right:  s(a) = 0""",
    ),
    Code(
        "G1603",
        "sorts that do not fit",
        """Terms have sorts: both sides of '=' have the same one, and an argument has the sort that the
function's type says.

wrong:  cons(nil, x) = nil      # cons: (Elem, List) -> List
right:  cons(x, nil) = nil""",
    ),
    Code(
        "G1604",
        "a term in place of a formula, or a formula in place of a term",
        """A term denotes an individual (x + y), a formula says something (x + y = z). Axioms and goals are
formulas; arguments of functions are terms.

wrong:  goals:
          commutativity: x + y
right:  goals:
          commutativity: x + y = y + x""",
    ),
    Code(
        "G1605",
        "an unknown sort",
        """Sorts are declared under 'sorts:', and types and quantifiers speak of those only.

right:  sorts:
          Nat: 0 | s(Nat)
        functions:
          +: (Nat, Nat) -> Nat""",
    ),
    Code(
        "G1606",
        "a malformed formula",
        """Formulas are written in infix notation: equations (=, !=), relations, 'not', 'and', 'or', '->',
'<->', 'all x, y. …', 'some x. …', 'false'. Comparisons do not chain, and '->' groups to the right.

wrong:  x = y = z
right:  x = y and y = z -> x = z""",
    ),
    Code(
        "G1607",
        "the same name twice",
        """Sorts, functions, constants, relations and variables of a theory have different names, and so have
its axioms and definitions. A quantifier binds a name once.""",
    ),
    Code(
        "G1608",
        "a malformed declaration",
        """A function's type is '(Nat, Nat) -> Nat', a constant's 'Nat' or 'Nat = s(0)'; a relation's is
'(Nat, Nat)', with outputs after an arrow '(Nat, Nat -> Nat)'; a sort is 'any' or its constructors
'0 | s(Nat)'. Symbols are letters, digits and '_', or one of the operators.

wrong:  +: Nat, Nat -> Nat
right:  +: (Nat, Nat) -> Nat""",
    ),
    Code(
        "G1609",
        "a token of MPL that is bound nowhere",
        """An argument in MPL is a variable bound by the '[…]' of a '>' around it, a constant of the theory, or
a symbol that an anchor names.

wrong:  (>[x](in2[x,y,s])(in3[x,1,y,+]))
right:  (>[x,y](in2[x,y,s])(in3[x,1,y,+]))""",
    ),
    Code(
        "G1610",
        "malformed MPL",
        """MPL has atoms (name[x,y]), negations !A, conjunctions (&A B) of two formulas, and implications
(>[x,y]A B), whose list of variables may be empty.

wrong:  (&(in[x,N]))
right:  (&(in[x,N])(in[y,N]))""",
    ),
    Code(
        "G1611",
        "a formula that is too long or too deep",
        """A formula in infix notation has at most 10,000 characters and 100 levels, one in MPL 100,000
characters and 200 levels. Split it by definitions.""",
    ),
    Code(
        "G1612",
        "a model that does not fit the theory",
        """A model gives every sort its individuals and every function and relation a meaning: integers
('Nat: 0..5') with arithmetic, a number of individuals ('G: 6') with tables or arithmetic whose values
are individuals again, or 'depth:' for terms of the constructors.

wrong:  G: 2
        x * y: x + y            # 1 + 1 is 2, and the individuals are 0 and 1
right:  x * y: (x + y) % 2""",
    ),
    Code(
        "G1614",
        "constructors that make nothing",
        """A sort with constructors holds what they make, so one of them must do without individuals of the
sort. A generated relation has one place, and its constructors are functions that give its sort.

wrong:  List: cons(Elem, List)
right:  List: nil | cons(Elem, List)""",
    ),
    Code(
        "G1615",
        "a name without a meaning in MPL",
        """In MPL (in[x,S]) says that x is of sort S, (in2[x,y,f]) that f(x) = y, (in3[x,y,z,f]) that
f(x, y) = z; other names are relations of the theory. An anchor is a premise that gives its arguments
the meaning of symbols, in the order under 'mpl:'. 'total:' and 'single:' name axioms.

right:  mpl:
          AnchorPeano: Nat, 0, s, +, *, 1""",
    ),
    Code(
        "G1616",
        "a definition that is none",
        """A definition gives a relation by a formula: its arguments are different variables, the formula has
no other free ones, and speaks of relations that are given or defined before.

right:  definitions:
          x <= y: some z. x + z = y""",
    ),
    Code(
        "G1620",
        "not a theory",
        """'graphwright prove' proves the goals of a document of kind logic.

right:  graphwright prove specs/logic/peano.yaml -o out""",
    ),
    Code(
        "G1621",
        "a certificate file that cannot be read",
        """'graphwright certify' reads the JSON lines that 'graphwright prove' writes: certificates.jsonl.""",
    ),
    Code(
        "G1622",
        "a model in which an axiom is false",
        """In a model every axiom and every definition of the theory holds: a model that breaks one says
nothing about the theory. The message gives the values at which it fails.

wrong:  axioms:
          commutativity: x * y = y * x
        models:
          left:
            G: 2
            x * y: x""",
    ),
    Code(
        "G1623",
        "a goal that is false in a model",
        """What fails in one model of the axioms has no proof from them. The message gives the values of the
variables at which the goal fails.

wrong:  goals:
          cancellation: a * b = a * c -> b = c     # a = 0, b = 0, c = 1
right:  goals:
          cancellation: s(a) * b = s(a) * c -> b = c""",
    ),
    Code(
        "G1624",
        "axioms that contradict each other",
        """From contradicting axioms everything follows, so no theorem means anything. The explorer shows the
proof of "false"; the notes name the axioms that it uses. A model under 'models:' would have shown
which of them is wrong (G1622).

wrong:  sorts:
          Nat: 0 | s(Nat)
        axioms:
          wrong: s(a) = a + 0
          right: a + 0 = a       # 0 = s(0), and constructors differ""",
    ),
    Code(
        "G1625",
        "a graph that says other than its theory",
        """A program over facts holds its theory's axioms and goals twice: as text in the nodes, which `show`
draws, and in the table of theories, which is searched. They must agree, so that what is drawn is
what runs. A pass that adds, drops or rewrites goals or axioms lowers the theory anew.

wrong:  Block(state, mail, goals=["commutativity"], statements=["a + b = a"])     # the theory says a + b = b + a
right:  the program that `passes/logic/lowering` makes of the changed theory""",
    ),
    Code(
        "G1626",
        "an operator that is not over facts",
        """The logic backend runs programs over facts: grids of blocks, and what is done with their theorems.
Tensors are computed by the other backends.

wrong:  the logic backend on a spec of kind graph
right:  graphwright run model.yaml --backend torch, or the logic backend on a spec of kind logic""",
    ),
)
