"""Damaged and malicious models: a diagnostic with its code, never a traceback."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from graphwright.backends.onnx import import_model
from graphwright.graph.diagnostics import SpecError
from graphwright.graph.diagnostics.codes import CODES
from graphwright.tools.bench.synthetic import synthetic_model

node = helper.make_node


def refused(model: Any, **options: Any) -> list[str]:
    """The codes of the errors, each of which `graphwright explain` knows."""
    with pytest.raises(SpecError) as error:
        import_model(model, **options)
    codes = [d.code for d in error.value.diagnostics]
    assert all(c in CODES for c in codes)
    return codes


@pytest.mark.parametrize(
    "content", [b"", b"version https://git-lfs.github.com/spec/v1", b"\x08\x0a", b"\xff" * 40]
)
def test_what_is_no_model(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    assert refused(path) == ["G1200"]
    assert refused(tmp_path / "missing.onnx") == ["G1200"]


def test_every_cut_of_a_model(tmp_path: Path) -> None:
    whole = synthetic_model(24).SerializeToString()
    for length in range(0, len(whole), 97):
        path = tmp_path / "m.onnx"
        path.write_bytes(whole[:length])
        refused(path)


def test_random_damage_gives_a_program_or_a_diagnostic() -> None:
    whole = synthetic_model(60).SerializeToString()
    source = random.Random(3)
    for _ in range(1500):
        damaged = bytearray(whole)
        for _ in range(source.choice((1, 2, 8))):
            damaged[source.randrange(len(damaged))] = source.randrange(256)
        proto = onnx.ModelProto()
        try:
            proto.ParseFromString(bytes(damaged))
        except Exception:  # not protobuf any more
            continue
        found: tuple[Any, ...] = ()
        try:
            import_model(proto)
        except SpecError as error:
            found = error.diagnostics
        assert all(d.code in CODES for d in found)


def test_cycles_are_named(model: Any) -> None:
    m = model([node("Add", ["x", "b"], ["a"]), node("Neg", ["a"], ["b"])], {"x": ("FLOAT", [2])}, ["b"])
    with pytest.raises(SpecError) as error:
        import_model(m)
    (found,) = error.value.diagnostics
    assert found.code == "G1210"
    assert "'a', 'b'" in found.message


def test_unknown_operators_and_domains_name_their_node(model: Any) -> None:
    m = model(
        [
            node("FusedMatMul", ["x", "x"], ["y"], domain="com.microsoft", name="f"),
            node("Frob", ["x"], ["z"]),
        ],
        {"x": ("FLOAT", [2, 2])},
        ["y", "z"],
    )
    with pytest.raises(SpecError) as error:
        import_model(m)
    first, second = error.value.diagnostics
    assert (first.code, second.code) == ("G1201", "G1201")
    assert "com.microsoft" in first.message
    assert "'f' (FusedMatMul)" in first.notes[0].message


def test_only_root_causes_are_reported(model: Any) -> None:
    m = model(
        [node("Relu", ["nothing"], ["a"]), node("Neg", ["a"], ["b"]), node("Exp", ["b"], ["y"])],
        {"x": ("FLOAT", [2])},
        ["y"],
    )
    assert refused(m) == ["G1203"]


def test_names_given_twice(model: Any) -> None:
    twice = [node("Relu", ["x"], ["y"]), node("Neg", ["x"], ["y"])]
    assert refused(model(twice, {"x": ("FLOAT", [2])}, ["y"])) == ["G1202"]


def test_missing_outputs_and_surplus_results(model: Any) -> None:
    assert refused(model([], {"x": ("FLOAT", [2])}, ["y"])) == ["G1203"]
    assert refused(model([node("Relu", ["x"], ["y", "z"])], {"x": ("FLOAT", [2])}, ["y"])) == ["G1203"]


def test_attributes_of_the_wrong_kind(model: Any) -> None:
    wrong = node("Softmax", ["x"], ["y"])
    wrong.attribute.add(name="axis", type=onnx.AttributeProto.STRING, s=b"last")
    assert refused(model([wrong], {"x": ("FLOAT", [2])}, ["y"])) == ["G1208"]
    wrong.attribute[0].type = onnx.AttributeProto.GRAPHS
    assert refused(model([wrong], {"x": ("FLOAT", [2])}, ["y"])) == ["G1208"]


def tensor(**fields: Any) -> TensorProto:
    return TensorProto(name="w", **fields)


@pytest.mark.parametrize(
    ("proto", "code"),
    [
        (tensor(data_type=99, dims=[2], raw_data=b"12345678"), "G1204"),
        (tensor(data_type=1, dims=[-2], raw_data=b"12345678"), "G1204"),
        (tensor(data_type=1, dims=[3], raw_data=b"12345678"), "G1205"),
        (tensor(data_type=1, dims=[2**40, 2**40], raw_data=b"12345678"), "G1205"),
        (tensor(data_type=1, dims=[2**40], float_data=[1.0]), "G1205"),
        (tensor(data_type=8, dims=[1], string_data=[b"\xff"]), "G1205"),
        (tensor(data_type=8, dims=[1], raw_data=b"a"), "G1205"),
        (tensor(data_type=22, dims=[3], raw_data=b"a"), "G1205"),
        (tensor(data_type=3, dims=[1], int32_data=[300]), None),
    ],
)
def test_tensors_whose_content_does_not_fit(model: Any, proto: TensorProto, code: str | None) -> None:
    m = model([node("Identity", ["w"], ["y"])], {}, ["y"])
    m.graph.initializer.append(proto)
    if code is None:
        import_model(m)
    else:
        assert refused(m) == [code]


def external(location: str, dims: int = 2, **entries: str) -> TensorProto:
    proto = tensor(data_type=1, dims=[dims], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **entries}.items():
        proto.external_data.add(key=key, value=value)
    return proto


def test_external_data_stays_in_its_folder(model: Any, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "w.bin").write_bytes(bytes(16))
    (tmp_path / "secret.bin").write_bytes(bytes(16))
    os.symlink(tmp_path / "secret.bin", folder / "link.bin")
    m = model([node("Identity", ["w"], ["y"])], {}, ["y"])
    bad = [
        external("../secret.bin"),
        external(str(tmp_path / "secret.bin")),
        external("link.bin"),
        external("sub/../../secret.bin"),
        external("..\\secret.bin"),
        external("missing.bin"),
        external("nul\0.bin"),
        external(""),
        external("."),
        external("w.bin", offset="-4"),
        external("w.bin", offset="12"),
        external("w.bin", length="4"),
        external("w.bin", offset="9" * 30),
        external("w.bin", dims=2**50),
    ]
    for proto in bad:
        del m.graph.initializer[:]
        m.graph.initializer.append(proto)
        assert refused(m, folder=folder) == ["G1206"]
    del m.graph.initializer[:]
    m.graph.initializer.append(external("w.bin", offset="8"))
    assert np.array_equal(import_model(m, folder=folder).names["w"].constant, [0, 0])
    assert refused(m) == ["G1206"]


def test_sparse_tensors_are_bounded_and_inside(model: Any) -> None:
    values = TensorProto(name="w", data_type=1, dims=[1], float_data=[1.0])
    for place, shape in ((7, [2, 3]), (-1, [2, 3]), (0, [2**20, 2**20])):
        sparse = onnx.SparseTensorProto(dims=shape)
        sparse.values.CopyFrom(values)
        sparse.indices.CopyFrom(TensorProto(data_type=7, dims=[1], int64_data=[place]))
        m = model([node("Identity", ["w"], ["y"])], {}, ["y"])
        m.graph.sparse_initializer.append(sparse)
        assert refused(m) == ["G1205"]


def test_functions_that_call_themselves_or_explode(model: Any) -> None:
    opset = [helper.make_opsetid("", 21), helper.make_opsetid("own", 1)]

    def function(name: str, *called: str) -> onnx.FunctionProto:
        nodes = [node(c, ["x"], [f"h{k}"], domain="own") for k, c in enumerate(called)]
        return helper.make_function("own", name, ["x"], ["h0"], nodes, opset)

    call = [node("f0", ["x"], ["y"], domain="own")]
    itself = model(call, {"x": ("FLOAT", [1])}, ["y"], functions=[function("f0", "f0")], domains=["own"])
    assert refused(itself) == ["G1209"]


def test_doubling_functions_stop_at_the_limit(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from graphwright.backends.onnx.importing import scope

    monkeypatch.setattr(scope, "LARGEST_INLINING", 1000)
    opset = [helper.make_opsetid("", 21), helper.make_opsetid("own", 1)]
    functions = [
        helper.make_function(
            "own",
            f"f{k}",
            ["x"],
            ["b"],
            [node(f"f{k + 1}", ["x"], ["a"], domain="own"), node(f"f{k + 1}", ["a"], ["b"], domain="own")],
            opset,
        )
        for k in range(40)
    ]
    functions.append(helper.make_function("own", "f40", ["x"], ["b"], [node("Neg", ["x"], ["b"])], opset))
    call = [node("f0", ["x"], ["y"], domain="own")]
    m = model(call, {"x": ("FLOAT", [1])}, ["y"], functions=functions, domains=["own"])
    assert set(refused(m)) == {"G1209"}


def test_bodies_that_do_not_fit(model: Any) -> None:
    empty = helper.make_graph([], "b", [], [])
    lacks = node("If", ["c"], ["y"], then_branch=empty)
    assert refused(model([lacks], {"c": ("BOOL", [])}, ["y"])) == ["G1213"]
    loop = node("Loop", ["n", "", "x"], ["y"], body=empty)
    assert refused(model([loop], {"n": ("INT64", []), "x": ("FLOAT", [1])}, ["y"])) == ["G1213"]


def test_deeply_nested_bodies(model: Any) -> None:
    """Protobuf itself stops at about 33 levels."""

    def leaf() -> onnx.GraphProto:
        return helper.make_graph(
            [node("Neg", ["x"], ["q"])], "b", [], [helper.make_empty_tensor_value_info("q")]
        )

    thin = leaf()
    for _ in range(26):
        choice = node("If", ["c"], ["q"], then_branch=thin, else_branch=leaf())
        thin = helper.make_graph([choice], "b", [], [helper.make_empty_tensor_value_info("q")])
    m = model(
        [node("If", ["c"], ["y"], then_branch=thin, else_branch=thin)],
        {"c": ("BOOL", []), "x": ("FLOAT", [1])},
        ["y"],
    )
    assert "G1213" in refused(m)


def test_names_that_are_no_text(model: Any) -> None:
    m = model([node("Relu", ["NAME"], ["y"])], {"NAME": ("FLOAT", [1])}, ["y"])
    damaged = onnx.ModelProto()
    damaged.ParseFromString(m.SerializeToString().replace(b"NAME", b"NA\xff\xfe"))
    assert "G1218" in refused(damaged)


def test_inputs_without_usable_types(model: Any) -> None:
    m = model([node("Relu", ["x"], ["y"])], {"x": ("FLOAT", [1])}, ["y"])
    m.graph.input[0].type.tensor_type.elem_type = 77
    assert "G1207" in refused(m)
    m.graph.input[0].type.Clear()
    assert "G1207" in refused(m)
