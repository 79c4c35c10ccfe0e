"""YAML text to trees: contents against PyYAML's own constructor, limits, core scalars."""

from __future__ import annotations

import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from graphwright.graph.diagnostics import Source, SpecError
from graphwright.graph.spec import yaml_reader
from graphwright.graph.spec.core_scalars import core_value
from graphwright.graph.spec.files import read_source
from graphwright.graph.spec.yaml_nodes import YamlMapping, YamlScalar, YamlSequence
from graphwright.graph.spec.yaml_reader import read_yaml

TEXTS = st.text(alphabet="ab 1é漢_+()[]{},'\"#:\\-|>&*!%@`\n\t?.", max_size=12)
TREES = st.recursive(
    TEXTS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=12,
)


def plain(node):
    if isinstance(node, YamlScalar):
        return node.text
    if isinstance(node, YamlSequence):
        return [plain(item) for item in node.items]
    return {key.text: plain(value) for key, value in node.entries}


def codes(text: str) -> list[str]:
    return [d.code for d in read_yaml(Source("t", text))[1].items]


@given(TREES, st.sampled_from([None, True, False]), st.sampled_from([20, 80]))
def test_trees_hold_what_pyyaml_reads(tree, flow, width):
    text = yaml.dump(tree, default_flow_style=flow, width=width, allow_unicode=True)
    expected = yaml.load(text, Loader=yaml.BaseLoader)
    root, diagnostics = read_yaml(Source("t", text))
    if diagnostics.items:
        assert {d.code for d in diagnostics.items} <= {"G0006"}, text  # the key '<<'
        return
    assert plain(root) == expected


@given(st.text(alphabet="ab:-[]{}'\"#|>&*!\n \t,?%", max_size=40))
def test_no_text_raises(text):
    root, diagnostics = read_yaml(Source("t", text))
    assert (root is None) <= bool(diagnostics.items)
    for item in diagnostics.items:
        lines = Source("t", text).lines
        assert 1 <= item.span.line <= len(lines)
        assert 1 <= item.span.column <= len(lines[item.span.line - 1]) + 1


@given(st.text(alphabet="ab: -[]{}'\"\n,", max_size=30))
def test_without_libyaml_trees_are_the_same(text):
    with pytest.MonkeyPatch.context() as patch:
        root, diagnostics = read_yaml(Source("t", text))
        patch.delattr(yaml, "CLoader")
        pure_root, pure_diagnostics = read_yaml(Source("t", text))
    if not diagnostics.items and not pure_diagnostics.items:
        assert plain(root) == plain(pure_root)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5), ("010", "010"), ("1:30", "1:30"), ("no", "no"), ("on", "on"), ("yes", "yes"),
        ("0x10", "0x10"), ("0o7", "0o7"), ("1_000", "1_000"), ("-3", -3), ("+3", 3), ("-.5", -0.5),
        ("1.", 1.0), (".inf", math.inf), ("-.inf", -math.inf), ("null", None), ("~", None), ("true", True),
        ("False", False), ("2006.00010", 2006.0001), ("'3'", "3"), ("!!str 3", "3"), ("off", "off"),
        ("2024-01-01", "2024-01-01"), ("1e999", math.inf), ("9" * 30, 1e30),
    ],
)  # fmt: skip
def test_core_scalars_of_yaml_1_2(text, value):
    root, diagnostics = read_yaml(Source("t", f"- {text}"))
    assert not diagnostics.items
    found = core_value(root.items[0])
    assert found == value
    assert type(found) is type(value)


def test_duplicate_keys_name_both_places():
    (found,) = read_yaml(Source("t", "a: 1\nb: 2\na: 3\n"))[1].items
    assert (found.code, found.span.line, found.notes[0].span.line) == ("G0004", 3, 1)


def test_deep_nesting_is_refused():
    assert codes("[" * 100_000) == ["G0009"]
    assert codes("- " * 100_000) == ["G0009"]
    assert codes("{a: " * 100_000) == ["G0009"]
    assert codes("[" * 64 + "]" * 64) == []
    assert codes("[" * 65 + "]" * 65) == ["G0009"]


def test_alias_bomb_is_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 20)]
    found = read_yaml(Source("t", "\n".join(lines)))[1].items
    assert [d.code for d in found] == ["G0009"]
    assert found[0].notes[0].message == "the anchor is here"


def test_a_long_text_repeated_by_aliases_is_refused():
    text = "a: &a " + "x" * 9_000 + "\nb: [" + ", ".join(["*a"] * 1000) + "]\n"
    assert codes(text) == ["G0009"]


def test_aliases_share_their_value():
    root, diagnostics = read_yaml(Source("t", "a: &v [1, 2]\nb: *v\n"))
    assert not diagnostics.items
    assert root.get("b") is root.get("a")


def test_too_many_nodes_are_refused(monkeypatch):
    monkeypatch.setattr(yaml_reader, "MAX_NODES", 100)
    assert codes("[" + "a, " * 99 + "]") == []
    assert codes("[" + "a, " * 101 + "]") == ["G0009"]


@pytest.mark.parametrize(
    ("data", "code", "line", "column"),
    [
        (b"a: caf\xe9\n", "G0003", 1, 7),
        (b"a: 1\nb: \xc3\xa9 \xff\n", "G0003", 2, 6),
        (b"\xff\xfea\x00", "G0003", 1, 1),
        (b"\xfe\xff\x00a", "G0003", 1, 1),
    ],
)
def test_files_that_are_not_utf8(tmp_path, data, code, line, column):
    path = tmp_path / "a.yaml"
    path.write_bytes(data)
    with pytest.raises(SpecError) as caught:
        read_source(str(path))
    (found,) = caught.value.diagnostics
    assert (found.code, found.span.line, found.span.column) == (code, line, column)
    assert "UTF-8" in found.hint


def test_a_byte_order_mark_at_the_start_is_dropped(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    root, diagnostics = read_yaml(read_source(str(path)))
    assert isinstance(root, YamlMapping)
    assert root.entries[0][0].column == 1
    assert not diagnostics.items


def test_files_that_cannot_be_opened(tmp_path):
    (tmp_path / "model.yaml").write_text("a: 1\n")
    cases = {
        tmp_path / "modle.yaml": "did you mean 'model.yaml'?",
        tmp_path: None,
        tmp_path / "model.yaml" / "x": None,
    }
    for path, hint in cases.items():
        with pytest.raises(SpecError) as caught:
            read_source(str(path))
        (found,) = caught.value.diagnostics
        assert found.code == "G0014"
        assert hint is None or found.hint == hint


def test_a_device_is_not_read():
    with pytest.raises(SpecError) as caught:
        read_source("/dev/zero")
    assert caught.value.diagnostics[0].code == "G0014"


def test_a_file_outside_the_root_is_not_read(tmp_path):
    inside, outside = tmp_path / "specs", tmp_path / "secret.yaml"
    inside.mkdir()
    outside.write_text("a: 1\n")
    (inside / "link.yaml").symlink_to(outside)
    (inside / "good.yaml").write_text("a: 1\n")
    assert read_source("good.yaml", inside).text == "a: 1\n"
    for path in ("../secret.yaml", "link.yaml", str(outside)):
        with pytest.raises(SpecError) as caught:
            read_source(path, inside)
        assert caught.value.diagnostics[0].code == "G0015"


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "a.yaml"
    with path.open("wb") as file:
        file.truncate(17 * 1024 * 1024)
    with pytest.raises(SpecError) as caught:
        read_source(str(path))
    assert caught.value.diagnostics[0].code == "G0009"
