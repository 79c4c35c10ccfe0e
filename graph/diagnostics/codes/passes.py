"""Codes G10xx: passes and contracts."""

from __future__ import annotations

from .code import Code

PASSES: tuple[Code, ...] = (
    Code(
        "G1001",
        "a pass broke its contract at a site",
        """Every pass promises what it keeps: every bit, the same function in real arithmetic, a bound
on the error. After it ran, each place that it changed is computed in both forms from the same
operands, and here they differ by more than the promise allows. The compile stopped; the program
before this pass is intact. This is an error in the pass, not in your file.

The message names the rule and the spec line, the reproducer folder holds both forms and the
operands: `python run.py` there shows the difference. Leave the pass out of the recipe to go on.
""",
    ),
    Code(
        "G1002",
        "a pass broke its contract at the outputs",
        """No single place that the pass changed shows an error (or it names none), but the outputs of
the program before and after it differ by more than its contract allows. The message names the
first rule firing that changes the outputs, where it could be found.

This is an error in the pass, not in your file. Leave it out of the recipe to go on.
""",
    ),
    Code(
        "G1003",
        "a pass does not take this variant",
        """A document builds into two programs, `train` and `infer`. Some passes are right for one only:
folding batch norm needs the running statistics, which training does not use.

    compile model.yaml --variant train --pass fold_batch_norm     # wrong
    compile model.yaml --pass fold_batch_norm                     # right: infer is the default
""",
    ),
    Code(
        "G1004",
        "over budget",
        """A lossy pass, or the whole recipe, lost more than its budget allows. The message gives the
margin (how far the comparison is from holding) with its 95 % interval and, where they could be
told apart, the layers that cost most. The last good program is kept.

    - prune_channels:
        ratio: 0.5
        budget: accuracy >= before.accuracy - 0.001    # a smaller ratio, or a wider budget
""",
    ),
    Code(
        "G1005",
        "the compiled program differs from the first one",
        """With `verify: final` only the first and the last program are compared. They differ by more than
the passes' contracts allow, though each pass alone holds its own. Compile with `--verify each` to
see the errors of all passes.""",
    ),
    Code(
        "G1006",
        "a pass made an illegal graph",
        """The nodes that a pass made are checked against the table of legal IR (types that follow from
operands, closed bodies, weights that exist). This one fails. It is an error in the pass, not in
your file. Leave it out of the recipe to go on.""",
    ),
    Code(
        "G1010",
        "unknown pass",
        """The name is none of the passes that there are; `graphwright list passes` prints them.

    passes:
      - fold_batchnorm      # wrong
      - fold_batch_norm     # right
""",
    ),
    Code(
        "G1011",
        "unknown option of a pass",
        """The options of a pass are listed by `graphwright explain PASS`. An option that is not known is
an error, since a misspelt one would silently do nothing.

    - fold_constants:
        max_ouput: 4096     # wrong
        max_output: 4096    # right
""",
    ),
    Code(
        "G1012",
        "an option has a value of the wrong kind",
        """The option takes another kind of value.

    - fold_constants:
        max_output: many    # wrong: it takes an integer
        max_output: 4096    # right
""",
    ),
    Code(
        "G1013",
        "a required option is missing",
        """This pass can't choose for you: give the option.

    - prune_channels            # wrong
    - prune_channels:
        ratio: 0.3              # right
""",
    ),
    Code(
        "G1014",
        "a pass on the command line that can't be read",
        """A pass with options is written with braces; quote it for the shell.

    --pass 'fold_constants max_output=4096'      # wrong
    --pass 'fold_constants{max_output=4096}'     # right
""",
    ),
    Code(
        "G1020",
        "rules do not come to rest",
        """A family of rules gets four sweeps over the graph, and a node a limited number of firings.
These rules still fire: two of them undo each other, or one grows what it replaces. The message
names the rules and how often they fired. This is an error in the pass.
""",
    ),
    Code(
        "G1021",
        "no node of that name",
        """`explain pass NAME --node NODE` takes a name of the program's nodes: those under `nodes:`, with
the path of calls before them (`stack.3.att`).""",
    ),
    Code(
        "G1030",
        "unknown metric in a budget",
        """A budget may use the metrics of the recipe (or else of the graph) and bytes, macs, nodes,
parameters, compared with `before.` (this pass's input) or `start.` (the recipe's input).

    budget: acuracy >= before.accuracy - 0.01     # wrong
    budget: accuracy >= before.accuracy - 0.01    # right
""",
    ),
    Code(
        "G1031",
        "this is no budget",
        """A budget is a comparison of metrics, numbers and arithmetic, joined by and, or, not.

    budget: accuracy                              # wrong: nothing is compared
    budget: accuracy >= before.accuracy - 0.01    # right
    budget: bytes <= 0.3 * start.bytes            # right
""",
    ),
    Code(
        "G1032",
        "a lossy pass has nothing to measure its loss on",
        """A pass that is lossy by design needs data with a held-out part and a metric, since only they
can tell how much it lost.

    data:
      evaluation: digits.test
    metrics:
      accuracy: argmax(logits, axis=-1) == label
    passes:
      - quantize:
          weights: int8
          budget: accuracy >= before.accuracy - 0.005
""",
    ),
    Code(
        "G1033",
        "the data can't resolve the budget",
        """The 95 % interval of the change is wider than the budget: with so few examples a pass that is
within it can't be told from one that is not, so neither answer would mean anything. Measure on
more examples (the message says how many), or allow a larger drop.
""",
    ),
)
