"""Every diagnostic of the reader: its code, its exact place, and its hint.

`«…»` marks the text under the caret. A text that does not begin with 'graphwright' follows a
header of four lines. Each text has exactly one mistake, so exactly one diagnostic.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from graphwright.graph.diagnostics.codes import CODES
from graphwright.graph.spec.vocabulary import Entry, Option, Vocabulary

SPEC = Path(__file__).parents[3] / "graph" / "spec"
HEADER = "graphwright: 1\nkind: graph\nname: t\noutputs: [y]\n"
LIBRARY = "graphwright: 1\nkind: library\nname: t\n"
RECIPE = "graphwright: 1\nkind: recipe\nname: t\n"

VOCABULARY = Vocabulary(
    passes={
        "fold_batch_norm": Entry(),
        "quantize": Entry(
            options={"weights": Option("str", choices=("int8", "int4")), "skip": Option("list")}
        ),
        "prune": Entry(options={"ratio": Option("float", "the share of channels to remove", required=True)}),
    },
    optimizers={"adam": Entry(options={"lr": Option("float", required=True), "eps": Option("float")})},
    data={"digits": Entry(), "iris": Entry()},
    backends={"torch": Entry(), "onnx": Entry()},
)

READING = [
    ("G0001", "a second ': '", "quote the whole value", "nodes:\n  y: x[1«:» 3]\n"),
    ("G0001", "a second ': '", "indent the key", "nodes:\n  y: x\n   z«:» x\n"),
    ("G0001", "not closed", "add the closing quote", "nodes:\n  y: 'f(x)«»\n"),
    ("G0001", "flow collection is not closed", "block style", "inputs: {x: float32«[»B, 3]}\n"),
    ("G0001", "'@'", "quote the whole value", "nodes:\n  y: «@»x\n"),
    ("G0001", "'%'", "quote the whole value", "nodes:\n  y: «%»x\n"),
    ("G0001", "'`'", "quote the whole value", "nodes:\n  y: «`»x`\n"),
    ("G0001", "fit the mapping", "indentation", "nodes:\n  y: 'a' «b»\n"),
    ("G0001", "unknown escape", "single quotes", 'nodes:\n  y: "«\\»q"\n'),
    ("G0001", "list is continued", "'- '", "tests:\n  - name: a\n  «b»: c\n"),
    ("G0002", "no document", "graphwright: 1", "graphwright«»"),
    ("G0003", "U+0007", "remove", "nodes:\n  y: x «\x07»\n"),
    ("G0003", "U+2028", "remove", "nodes:\n  y: äöü «\u2028»x\n"),
    ("G0003", "U+202E", "remove", "nodes:\n  # «\u202e»x\n  y: x\n"),
    ("G0003", "U+FEFF", "remove", "nodes:\n  y: x«\ufeff»\n"),
    ("G0004", "'y' is given twice", None, "nodes:\n  y: f(x)\n  «y»: g(x)\n"),
    ("G0005", "key must be a name", "quote", "nodes:\n  ? «[a, b]»\n  : f(x)\n"),
    ("G0006", "merge keys", "repeat", "nodes: {«<<»: {y: x}}\n"),
    ("G0007", "!!python/object:os.system", None, "nodes:\n  y: «!!python/object:os.system x»\n"),
    ("G0007", "'!foo'", "quote", "nodes:\n  y: «!foo x»\n"),
    ("G0007", "'!!map' wants a mapping", None, "nodes:\n  y: «!!map x»\n"),
    ("G0008", "one document", "own file", "nodes:\n  y: x\n«---»\na: b\n"),
    ("G0010", "'*bias' names no anchor", "quote", "nodes:\n  y: «*bias»\n"),
    ("G0010", "never ends", None, "nodes: &a\n  y: «*a»\n"),
    ("G0011", "a tab", "blanks", "nodes:\n«\t»y: x\n"),
    ("G0012", "'Max(a'", "block style", "nodes: {y: «Max(a», b)}\n"),
    ("G0012", "'f(a'", "block style", "require: [«f(a», b), c]\n"),
    ("G0012", "'Max(a'", "block style", "nodes:\n  y: {z: «Max(a», b)}\n"),
    ("G0013", "'y' has no value", "write a value", "nodes:\n  «y»:\n"),
    ("G0013", "'c' has no value", "block style", "attributes: {b: 1, «c»}\n"),
    ("G0013", "without a value", "after '-'", "require:\n  - x > 0\n  -«»\n"),
    ("G0013", "'training' has no value", "remove the key", "«training»:\n"),
]

DOCUMENT = [
    ("G0101", "a mapping of keys", "graphwright: 1", "«-» graphwright\n"),
    ("G0102", "no key 'nods'", "did you mean 'nodes'?", "«nods»:\n  y: x\n"),
    ("G0102", "no key 'epochs'", "'epochs' is a key of 'training:'", "«epochs»: 3\n"),
    (
        "G0102",
        "no key 'training'",
        "a key of a graph",
        "functions:\n  f:\n    «training»: {}\n    outputs: [y]\n",
    ),
    ("G0102", "no key 'zzz'", "its keys are", "tests:\n  - name: a\n    expect: [x > 0]\n    «zzz»: 1\n"),
    ("G0103", "needs 'outputs:'", "Names of the results", "«graphwright»: 1\nkind: graph\nname: t\n"),
    ("G0103", "needs 'kind:'", "What the file holds", "«graphwright»: 1\nname: t\noutputs: [y]\n"),
    ("G0103", "needs 'functions:'", "functions only", "«graphwright»: 1\nkind: library\nname: t\n"),
    ("G0103", "needs 'outputs:'", "Names", "functions:\n  «f»:\n    nodes: {y: x}\n"),
    ("G0103", "needs 'passes:'", "Passes in order", "«graphwright»: 1\nkind: recipe\nname: t\n"),
    ("G0103", "a search document needs 'name:'", None, "«graphwright»: 1\nkind: search\n"),
    ("G0104", "version is 1", "graphwright: 1", "graphwright: «2»\nkind: graph\nname: t\noutputs: [y]\n"),
    (
        "G0105",
        "no kind 'grph'",
        "did you mean 'graph'?",
        "graphwright: 1\nkind: «grph»\nname: t\noutputs: [y]\n",
    ),
    ("G0106", "as a number", 'quote it: "2006.00010"', "source: {arxiv: «2006.00010»}\n"),
    ("G0106", "as a boolean", 'quote it: "true"', "doc: «true»\n"),
    ("G0106", "must be a mapping", "one 'key: value' a line", "nodes: «x»\n"),
    ("G0106", "must be a list", "'- …'", "tests: «x»\n"),
    ("G0106", "'y' must be an expression, not a mapping", None, "nodes:\n  y: «{a: 1}»\n"),
    ("G0106", "must be a mapping", "write 'f(x): …'", "functions:\n  f: «x + 1»\n"),
    (
        "G0106",
        "an integer, not the text 'many'",
        None,
        "training: {loss: l, optimizer: adam, epochs: «many»}\n",
    ),
    ("G0106", "leading zero", "write '10'", "training: {loss: l, optimizer: adam, seed: «010»}\n"),
    ("G0106", "true or false", None, "tests:\n  - {name: a, training: «yes», expect: [x]}\n"),
    ("G0106", "one-line function's value", "leave '(…)'", "functions:\n  «f(x)»:\n    outputs: [y]\n"),
    ("G0107", "'μ' cannot name a node", "write 'mu'", "nodes:\n  «μ»: x\n"),
    ("G0107", "'µ' cannot name a node", "write 'mu'", "nodes:\n  «µ»: x\n"),
    ("G0107", "'a-b' cannot name an input", "write 'a_b'", "inputs:\n  «a-b»: float32\n"),
    ("G0107", "kept for the compiler", None, "nodes:\n  «a__b»: x\n"),
    ("G0107", "'2x' cannot name a result", "begin with a digit", "nodes:\n  a, «2x»: f(x)\n"),
    ("G0107", "cannot name a node", "functions:", "nodes:\n  «f(x)»: x + 1\n"),
    (
        "G0107",
        "no name of a document",
        "hl-gauss",
        "graphwright: 1\nkind: graph\nname: «x y»\noutputs: [y]\n",
    ),
    ("G0107", "no path", "needs no '*'", "training:\n  loss: l\n  optimizer: adam\n  freeze: [«h.*»]\n"),
    (
        "G0107",
        "no path",
        "write 'h.kernel'",
        "tests:\n  - name: a\n    state: {«h/kernel»: 1}\n    expect: [x]\n",
    ),
    ("G0108", "'lambda' is a reserved word", "write 'lambda_'", "inputs:\n  «lambda»: float32\n"),
    ("G0108", "'float32' is a dtype", None, "nodes:\n  «float32»: x\n"),
    ("G0108", "meaning of its own", None, "nodes:\n  «pi»: x\n"),
    ("G0108", "meaning of its own", None, "functions:\n  «self»(x): x\n"),
    ("G0109", "'x' is given twice", None, "inputs:\n  x: float32[B]\nnodes:\n  «x»: relu(x)\n"),
    ("G0109", "'q' is given twice", None, "nodes:\n  q, k: f(x)\n  a, «q»: g(x)\n"),
    ("G0109", "'n' is given twice", None, "sizes: {n: 3}\nnodes:\n  «n»: x\n"),
    ("G0109", "'B' is given twice", None, "inputs:\n  x: float32[B]\nnodes:\n  «B»: x\n"),
    ("G0109", "function 'f' is given twice", None, "functions:\n  f(x): x\n  «f»:\n    outputs: [y]\n"),
    (
        "G0109",
        "function 'f' is given twice",
        None,
        "slots:\n  f: (float32) -> float32\nfunctions:\n  «f»(x): x\n",
    ),
    ("G0109", "library 'a.yaml' is named twice", None, "use: [a.yaml, «a.yaml»]\n"),
    ("G0110", "an absolute path", "relative", "use: [«/etc/passwd.yaml»]\n"),
    ("G0110", "a path with '\\'", "write 'a/b.yaml'", "use: ['«a\\b.yaml»']\n"),
    ("G0110", "a scheme or a drive", "nothing is downloaded", "use: ['«https://x.org/a.yaml»']\n"),
    ("G0110", "no YAML file", "write 'layers/basic.yaml'", "use: [«layers/basic»]\n"),
    (
        "G0112",
        "no state of this block",
        "did you mean 'total'?",
        "state:\n  total: float32 = 0\nupdates:\n  «totl»: x\n",
    ),
    ("G0113", "'allways'", "one of none final each", RECIPE + "passes: []\nverify: «allways»\n"),
    ("G0113", "at least 1", None, "training: {loss: l, optimizer: adam, epochs: «0»}\n"),
    ("G0113", "above 0", None, "training: {loss: l, optimizer: adam, clip_norm: «0»}\n"),
    ("G0114", "this is no number", "write an expression", "nodes:\n  y: [1, «a»]\n"),
    ("G0114", "this is no number", "write an expression", "nodes:\n  y: [1, «true»]\n"),
    ("G0115", "differ in length", "same number", "nodes:\n  y: «[[1, 2], [3]]»\n"),
    ("G0116", "a type with several results", "one name", "nodes:\n  a, b: «float32[3]» = Split(x)\n"),
    ("G0116", "keeps no result", "at least one", "nodes:\n  «_»: f(x)\n"),
    (
        "G0117",
        "'2 * y' is none",
        "give the expression a node",
        "graphwright: 1\nkind: graph\nname: t\noutputs: [«2 * y»]\n",
    ),
    ("G0117", "is empty", "at least one", "graphwright: 1\nkind: graph\nname: t\noutputs: «[]»\n"),
    (
        "G0109",
        "output 'y' is given twice",
        "makes a second name",
        "graphwright: 1\nkind: graph\nname: t\noutputs: [y, «y»]\n",
    ),
]

EXPRESSIONS = [
    (
        "G0201",
        "nested deeper than 64",
        "several nodes",
        "nodes:\n  y: " + "(" * 64 + "«(»x" + ")" * 65 + "\n",
    ),
    (
        "G0201",
        "nested deeper than 64",
        "several nodes",
        "nodes:\n  y: " + "-" * 64 + "«-»" + "-" * 9000 + "x\n",
    ),
    ("G0201", "operations nested deeper", "several nodes", "nodes:\n  y: «" + "a + " * 64 + "b»\n"),
    ("G0201", "at most 10000", "several nodes", "nodes:\n  y: «" + "-" * 50_000 + "»\n"),
    ("G0202", "expected a value, but the text ends", None, "nodes:\n  y: x +«»\n"),
    ("G0202", "expected ',' or ')', found 'b'", None, "nodes:\n  y: f(a «b»)\n"),
    ("G0202", "'=' does not compare", "write '=='", "require:\n  - x «=» 3\n"),
    ("G0202", "expected 'else'", None, "nodes:\n  y: a if b«»\n"),
    ("G0202", "'not' needs brackets", "(not …)", "nodes:\n  y: a == «not» b\n"),
    ("G0202", "'.0' after a name", "write '[0]'", "nodes:\n  y: h«.0».att\n"),
    ("G0202", "neither a number nor a name", "write '2 * x'", "nodes:\n  y: «2x»\n"),
    ("G0202", "an empty subscript", None, "nodes:\n  y: x«[]»\n"),
    ("G0202", "'...' stands only", None, "nodes:\n  y: f(«...»)\n"),
    ("G0202", "a ',' outside brackets", "name the results on the left", "nodes:\n  y: a«,» b\n"),
    ("G0202", "'..' stands only", "a slice is 'x[a:b]'", "nodes:\n  y: 1«..»3\n"),
    ("G0202", "malformed escape", "double", "nodes:\n  y: 'f(«\"\\x\"»)'\n"),
    ("G0202", "an operator or ',' is missing before 'b'", None, "nodes:\n  y: a «b»\n"),
    ("G0202", "reserved word", None, "nodes:\n  y: a.«class»\n"),
    ("G0203", "'(' is never closed", None, "nodes:\n  y: f«(»x\n"),
    ("G0203", "')' was never opened", None, "nodes:\n  y: f(x)«)»\n"),
    ("G0203", "']' does not close '('", None, "nodes:\n  y: f(x«]»\n"),
    ("G0203", 'opened by " is not closed', None, 'nodes:\n  y: f(«"»a)\n'),
    ("G0204", "'lambda'", None, "nodes:\n  y: f(«lambda» v:v)\n"),
    ("G0204", "comprehensions", None, "nodes:\n  y: 'sum([i «for» i in x])'\n"),
    ("G0204", "f-strings", "plain text", "nodes:\n  y: g(«f»'a')\n"),
    ("G0204", "bytes", "plain text", "nodes:\n  y: g(«b»'a')\n"),
    ("G0204", "starred", None, "nodes:\n  y: g(«*»a)\n"),
    ("G0204", "':='", "node of its own", "nodes:\n  y: (a «:=» 3)\n"),
    ("G0204", "'in' is not an operator", "any(", "nodes:\n  y: a «in» b\n"),
    ("G0204", "tuples", "[a, b]", "nodes:\n  y: (a«,» b)\n"),
    ("G0204", "empty brackets", None, "nodes:\n  y: «()»\n"),
    ("G0204", "dictionaries", None, "nodes:\n  y: f(«{»a})\n"),
    ("G0204", "complex", "last axis of 2", "nodes:\n  y: x * «1j»\n"),
    ("G0204", "triple-quoted", None, 'nodes:\n  y: f(«""»"a""")\n'),
    ("G0205", "'µ' is no name", "write 'mu'", "nodes:\n  y: x + «µ»\n"),
    ("G0205", "'größe' is no name", None, "nodes:\n  y: x + «größe»\n"),
    ("G0205", "'×'", "write '*'", "nodes:\n  y: a «×» b\n"),
    ("G0205", "a comment inside", "line of its own", "nodes:\n  y: |\n    a + «# first»\n"),
    ("G0206", "leading zero", "write '10'", "nodes:\n  y: x * «010»\n"),
    ("G0206", "does not fit 64 bits", "as a float", "nodes:\n  y: x * «99999999999999999999»\n"),
    ("G0206", "too large for float64", "inf", "nodes:\n  y: x * «1e999»\n"),
    ("G0207", "'*' on a text", "passed on", "nodes:\n  y: '«\"a\"» * 1000000000'\n"),
    ("G0207", "side by side", None, 'nodes:\n  y: f("a" «"b"»)\n'),
    ("G0207", "no order", None, 'nodes:\n  y: x if mode < «"b"» else z\n'),
    ("G0208", "'==' cannot compare with None", "write 'x is None'", "nodes:\n  y: x if m == «None» else m\n"),
    ("G0208", "'is' only tests for None", "write '=='", "nodes:\n  y: x if m is «3» else m\n"),
    ("G0208", "'+' on None", "is None", "nodes:\n  y: x + «None»\n"),
    ("G0209", "'*' on a list", "array", "nodes:\n  y: x * «[1, 2]»\n"),
    ("G0209", "'-' on a list", "array", "nodes:\n  y: -«[1, 2]»\n"),
    ("G0210", "'&' is for integers", "write 'and'", "nodes:\n  y: (x > 0) «&» (x < 1)\n"),
    ("G0210", "'~' is for integers", "write 'not'", "nodes:\n  y: f(«~(x > 0)»)\n"),
    ("G0211", "after a keyword", "before the keywords", "nodes:\n  y: sum(axis=1, «x»)\n"),
    ("G0211", "'axis' is given twice", None, "nodes:\n  y: sum(x, axis=1, «axis»=2)\n"),
    ("G0212", "only a name can be called", "name of a function", "nodes:\n  y: «f(a)»(b)\n"),
]

TYPES = [
    ("G0220", "square brackets", "float32[…]", "inputs:\n  x: float32«(»B, 3)\n"),
    ("G0220", "at most one '...'", None, "inputs:\n  x: float32[..., B, «...»]\n"),
    ("G0220", "a dimension is an integer", None, "inputs:\n  x: float32[«1.5»]\n"),
    ("G0220", "not negative", "'_'", "inputs:\n  x: float32[«-1»]\n"),
    ("G0220", "unexpected 'relu' after the type", "name: type", "inputs:\n  x: float32[B] «relu»\n"),
    ("G0220", "expected a type, found '('", "float32[B, 3]", "inputs:\n  x: «(»3)\n"),
    ("G0221", "'flaot32' is no dtype", "did you mean 'float32'?", "inputs:\n  x: «flaot32»[B]\n"),
    ("G0221", "'double' is no dtype", "did you mean 'float64'?", "inputs:\n  x: «double»[B]\n"),
    ("G0221", "'normal' is no dtype", "name: type = default", "noise:\n  eps: «normal» float32[3]\n"),
    ("G0222", "between the type and '='", "name: type", "inputs:\n  x: float32 = None «in» 0..1\n"),
    ("G0222", "by position", None, "inputs:\n  x: float32 ~ normal(«std»=2)\n"),
    ("G0223", "a size is an integer", "attributes", "sizes: {n: «0.5»}\n"),
    ("G0223", "a size is an integer", "attributes", "sizes: {n: «true»}\n"),
    ("G0224", "after an attribute", "inputs come first", "functions:\n  f(x, k=2, «z»): x\n"),
    ("G0224", "'x' is given twice", None, "functions:\n  f(x, «x»): x\n"),
    ("G0224", "does not belong", "long form", "functions:\n  'f(x«:» float32)': x\n"),
    (
        "G0225",
        "inputs in brackets",
        "write '(float32[B, D]) -> float32[B]'",
        "slots:\n  f: «float32» -> float32\n",
    ),
    ("G0225", "have no names", "leave the names out", "slots:\n  f: '(«x»: float32) -> float32'\n"),
    ("G0225", "expected '->'", None, "slots:\n  f: (float32)« »\n"),
    ("G0225", "names a function", "= Gelu", "slots:\n  f: (float32) -> float32 = «3»\n"),
    ("G0226", "neither a literal", 'mode: str = "same"', "attributes: {mode: «same»}\n"),
    ("G0226", "no type of an attribute", "did you mean 'float'?", "attributes:\n  k: «flot» = 3\n"),
    ("G0226", "not of the type 'int'", None, "attributes:\n  k: int = «0.5»\n"),
    ("G0226", "not of the type 'str'", "quoted", "attributes:\n  k: str = «3»\n"),
    ("G0226", "a constant, 'bins' is none", "a node", "attributes:\n  k: «bins» // 2\n"),
    ("G0227", "only default of an input is None", "attributes", "inputs:\n  x: float32 = «3»\n"),
    ("G0227", "a parameter cannot be None", "only inputs", "parameters:\n  «w»: float32 = None\n"),
    ("G0227", "a noise has no domain", "belong to inputs", "noise:\n  e: float32 «~ normal»\n"),
]

TESTS = [
    ("G0801", "without 'expect:'", "conditions", "tests:\n  - «name: a»\n"),
    ("G0801", "either", "remove", "tests:\n  - name: a\n    expect: [x]\n    expect_error: «G0001»\n"),
    (
        "G0802",
        "second test named 'a'",
        None,
        "tests:\n  - {name: a, expect: [x]}\n  - {name: «a», expect: [x]}\n",
    ),
    (
        "G0803",
        "sets the input 'logit'",
        "did you mean 'logits'?",
        "inputs: {logits: float32}\ntests:\n  - {name: a, inputs: {«logit»: 1}, expect: [x]}\n",
    ),
    ("G0804", "'oops' is no code", "list codes", "tests:\n  - {name: a, expect_error: «oops»}\n"),
    (
        "G0805",
        "no backend 'onx'",
        "did you mean 'onnx'?",
        "tests:\n  - {name: a, backends: [«onx»], expect: [x]}\n",
    ),
]

TRAINING = [
    ("G0901", "nothing to train", "name the node", "«training»:\n  epochs: 3\n"),
    (
        "G0901",
        "exclude",
        "keep one",
        "training:\n  loss: l\n  optimizer: adam(lr=1)\n  alternate:\n    «- loss: m»\n",
    ),
    ("G0902", "exclude", "keep one", "training: {loss: l, optimizer: adam, epochs: 1, steps: «2»}\n"),
    ("G0903", "without an optimizer", "adam(lr=1e-3)", "«training»:\n  loss: l\n"),
    ("G0903", "without an optimizer", "adam(lr=1e-3)", "training:\n  alternate:\n    - «loss: l»\n"),
    (
        "G0904",
        "no optimizer 'adm'",
        "did you mean 'adam'?",
        "training:\n  loss: l\n  optimizer: «adm»(lr=1)\n",
    ),
    (
        "G0904",
        "no option 'lrr'",
        "did you mean 'lr'?",
        "training:\n  loss: l\n  optimizer: adam(lr=1, «lrr»=1)\n",
    ),
    ("G0904", "needs 'lr='", None, "training:\n  loss: l\n  optimizer: «adam()»\n"),
    ("G0904", "by keyword", "adam(lr=…)", "training:\n  loss: l\n  optimizer: adam(«0.1», lr=1)\n"),
    ("G0904", "an optimizer is a call", "adam(lr=1e-3)", "training:\n  loss: l\n  optimizer: «3»\n"),
    (
        "G1511",
        "two bounds",
        "the lower one first",
        "program:\n  function: exp\n  error: ulp\n  domain: «[1, 0]»\n",
    ),
    (
        "G1511",
        "a bound is a number",
        "0.5",
        "program:\n  function: exp\n  error: ulp\n  domain: [«a», 1]\n",
    ),
    (
        "G0905",
        "a share below 1",
        "a tenth",
        "training:\n  loss: l\n  optimizer: adam(lr=1)\n  data: {source: digits, validation: «10»}\n",
    ),
    ("G0906", "absolute", "relative", "training: {loss: l, optimizer: adam, data: «/data/x.npz»}\n"),
    (
        "G0906",
        "leaves the spec's folder",
        "into the folder",
        "training: {loss: l, optimizer: adam, data: «../x.npz»}\n",
    ),
    (
        "G0907",
        "no data set 'digit'",
        "did you mean 'digits'?",
        "training: {loss: l, optimizer: adam(lr=1), data: «digit»}\n",
    ),
    (
        "G0910",
        "stand at its own indent",
        "four more blanks",
        RECIPE + "passes:\n  - quantize:\n    «weights»: int8\n",
    ),
    ("G0910", "no options after ':'", "write '- quantize'", RECIPE + "passes:\n  - «quantize»:\n"),
    ("G0911", "no pass 'quantise'", "did you mean 'quantize'?", RECIPE + "passes: [«quantise»]\n"),
    (
        "G0912",
        "no option 'weight'",
        "did you mean 'weights'?",
        RECIPE + "passes:\n  - quantize: {«weight»: int8}\n",
    ),
    (
        "G0912",
        "one of int8 int4",
        "did you mean 'int8'?",
        RECIPE + "passes:\n  - quantize: {weights: «int9»}\n",
    ),
    ("G0912", "must be a list", None, RECIPE + "passes:\n  - quantize: {skip: «3»}\n"),
    ("G0912", "needs 'ratio:'", "the share", RECIPE + "passes: [«prune»]\n"),
    (
        "G0913",
        "no data 'calib'",
        "did you mean 'calibration'?",
        RECIPE + "data: {calibration: digits}\npasses:\n  - quantize: {data: «calib»}\n",
    ),
]

CASES = [*READING, *DOCUMENT, *EXPRESSIONS, *TYPES, *TESTS, *TRAINING]
WITHOUT_TEXT = {"G0009", "G0014", "G0015", "G0111", "G0118", "G0119", "G0120", "G0310"}  # tested elsewhere


def with_header(text: str) -> str:
    if text.startswith(("graphwright", "«graphwright", "«-»")):
        return text
    return HEADER + text


@pytest.mark.parametrize(("code", "message", "hint", "text"), CASES)
def test_one_diagnostic_at_its_place(code, message, hint, text, marked, diagnose):
    place = marked(with_header(text))
    vocabulary = VOCABULARY if code in {"G0805", "G0904", "G0907", "G0911", "G0912"} else None
    found = diagnose("" if code == "G0002" else place.text, vocabulary)
    assert [item[0] for item in found] == [code]
    _, start, end, given_hint, given_message = found[0]
    if code != "G0002":
        assert start == place.start
        if place.end != place.start:
            assert end == place.end
        else:
            assert end == (start[0], start[1] + 1)
    assert message in given_message
    assert (hint is None and given_hint is None) or (hint is not None and hint in (given_hint or ""))


def test_every_code_of_the_reader_has_a_case():
    texts = [path.read_text(encoding="utf-8") for path in SPEC.glob("*.py")]
    raised = {code for text in texts for code in re.findall(r'"(G[0-9]{4})"', text)}
    cased = {case[0] for case in CASES}
    assert raised - cased - WITHOUT_TEXT == set()
    assert raised <= set(CODES)


def test_all_mistakes_of_a_file_are_reported_at_once(diagnose):
    text = HEADER + "nods: {}\ninputs:\n  x: flot\nnodes:\n  a: f(\n  b: 2x\ntests:\n  - name: q\n"
    assert [item[0] for item in diagnose(text)] == ["G0102", "G0221", "G0203", "G0202", "G0801"]
