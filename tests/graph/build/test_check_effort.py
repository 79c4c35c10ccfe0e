"""What `check` costs does not grow with how often a block is repeated."""

from __future__ import annotations

from graphwright.graph.build import construction
from graphwright.graph.build.checking import check_unit
from graphwright.graph.build.document import Unit
from graphwright.graph.diagnostics import Source
from graphwright.graph.spec.reader import parse_document
from graphwright.graph.spec.resolution import resolve

SPEC = """graphwright: 1
kind: graph
name: deep
sizes: {{depth: {depth}}}
inputs:
  x: float32[B, 3]
nodes:
  h: repeat(block, x, times=depth)
  last: h[{last}].w
outputs: [h, last]
functions:
  block:
    inputs:
      x: float[B, W]
    parameters:
      w: float[W, W] = normal()
    nodes:
      y: {body}
    outputs: [y]
"""


def check(depth: int, last: int, body: str = "x @ w"):
    document, diagnostics = parse_document(
        Source("deep.yaml", SPEC.format(depth=depth, last=last, body=body))
    )
    assert document is not None
    assert not diagnostics.errors
    resolution, _ = resolve(document)
    return check_unit(Unit(document, resolution))


def nodes_built(monkeypatch, depth: int) -> int:
    count = 0
    record = construction.Construction.record

    def counting(self, *rest):
        nonlocal count
        count += 1
        return record(self, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(construction.Construction, "record", counting)
        assert not check(depth, depth - 1).items
    return count


def test_a_deep_stack_costs_no_more_than_a_shallow_one(monkeypatch):
    assert nodes_built(monkeypatch, 3) == nodes_built(monkeypatch, 3000)


def test_a_round_that_does_not_exist_is_still_an_error():
    assert [d.code for d in check(5, 4).items] == []
    assert [d.severity.value for d in check(5, 5).items] == ["error"]


def test_a_type_that_changes_in_the_second_round_is_seen():
    assert [d.code for d in check(9, 0, "concat([x, x], axis=1)").errors] == ["G0607"]


def test_a_function_without_a_tensor_is_no_step_of_a_scan():
    text = SPEC.format(depth=1, last=0, body="x @ w").replace(
        "  last: h[0].w\noutputs: [h, last]",
        "  last: scan(step, init=[x], times=4)\noutputs: [h, last]",
    )
    text += "  step:\n    inputs:\n      x: float[B, W] = None\n    attributes: {a: true}\n"
    text += "    nodes:\n      y: x.dtype\n    outputs: [y]\n"
    document, _ = parse_document(Source("deep.yaml", text))
    assert document is not None
    found = check_unit(Unit(document, resolve(document)[0]))
    assert [d.code for d in found.errors][:1] == ["G0607"]
