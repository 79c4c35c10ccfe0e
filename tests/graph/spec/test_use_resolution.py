"""`use:` followed: relative files, the standard library, roots, cycles, clashes."""

from __future__ import annotations

import pytest

from graphwright.graph.diagnostics import Source, SpecError
from graphwright.graph.spec.reader import parse_document
from graphwright.graph.spec.resolution import STANDARD_LIBRARY, load, resolve


@pytest.fixture
def folder(tmp_path):
    """A folder `specs` with a standard library beside it, and a function to write into it."""
    (tmp_path / "specs").mkdir()
    (tmp_path / "standard" / "layers").mkdir(parents=True)
    (tmp_path / "standard" / "layers" / "basic.yaml").write_text(library("f"))

    def write(path: str, text: str) -> None:
        target = tmp_path / "specs" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    write.path = tmp_path / "specs"
    write.standard = tmp_path / "standard"
    return write


def library(*functions: str, use: str = "[]") -> str:
    lines = "".join(f"  {name}(x): x\n" for name in functions)
    return f"graphwright: 1\nkind: library\nname: lib\nuse: {use}\nfunctions:\n{lines}"


def graph(use: str, more: str = "") -> str:
    return f"graphwright: 1\nkind: graph\nname: top-graph\nuse: {use}\noutputs: [y]\n{more}"


def resolved(folder, text, **options):
    document, diagnostics = parse_document(Source(str(folder.path / "top.yaml"), text))
    assert not diagnostics.items
    return resolve(document, standard_library=folder.standard, **options), document


def problems(diagnostics):
    return [(d.code, d.span.line, d.span.column, d.hint) for d in diagnostics.items]


def test_files_beside_the_spec_come_first_then_the_standard_library(folder):
    folder("layers/own.yaml", library("g"))
    (resolution, diagnostics), document = resolved(folder, graph("[layers/own.yaml, layers/basic.yaml]"))
    assert not diagnostics.items
    own, basic = resolution.used[document.source]
    assert own.functions[0].name.text == "g"
    assert basic.functions[0].name.text == "f"
    folder("layers/basic.yaml", library("h"))
    (resolution, _), document = resolved(folder, graph("[layers/basic.yaml]"))
    assert resolution.used[document.source][0].functions[0].name.text == "h"


def test_libraries_come_before_what_uses_them_and_once(folder):
    folder("a.yaml", library("a", use="[c.yaml]"))
    folder("b.yaml", library("b", use="[./c.yaml]"))
    folder("c.yaml", library("c"))
    (resolution, diagnostics), document = resolved(folder, graph("[a.yaml, b.yaml]"))
    assert not diagnostics.items
    assert [d.source.path.rsplit("/", 1)[1] for d in resolution.documents] == [
        "c.yaml",
        "a.yaml",
        "b.yaml",
        "top.yaml",
    ]
    first, second = resolution.used[document.source]
    assert resolution.used[first.source][0] is resolution.used[second.source][0]


def test_paths_are_relative_to_the_file_that_names_them(folder):
    folder("sub/a.yaml", library("a", use="[../b.yaml]"))
    folder("b.yaml", library("b"))
    (resolution, diagnostics), _ = resolved(folder, graph("[sub/a.yaml]"))
    assert not diagnostics.items
    assert len(resolution.documents) == 3


def test_a_missing_library_names_near_ones(folder):
    (_, diagnostics), _ = resolved(folder, graph("[layers/basics.yaml]"))
    assert problems(diagnostics) == [("G0118", 4, 7, "did you mean 'layers/basic.yaml'?")]
    (_, diagnostics), _ = resolved(folder, graph("[basic.yaml]"))
    assert problems(diagnostics) == [("G0118", 4, 7, "did you mean 'layers/basic.yaml'?")]


def test_paths_that_leave_the_root(folder):
    (folder.path.parent / "secret.yaml").write_text(library("s"))
    (folder.path / "link.yaml").symlink_to(folder.path.parent / "secret.yaml")
    for path in ("../secret.yaml", "sub/../../secret.yaml", "link.yaml"):
        (resolution, diagnostics), document = resolved(folder, graph(f"[{path}]"))
        assert [item[0] for item in problems(diagnostics)] == ["G0111"]
        assert resolution.used[document.source] == ()
    (_, diagnostics), _ = resolved(folder, graph("[../secret.yaml]"), root=folder.path.parent)
    assert not diagnostics.items


def test_a_cycle_shows_its_chain(folder):
    folder("a.yaml", library("a", use="[b.yaml]"))
    folder("b.yaml", library("b", use="[a.yaml]"))
    (_, diagnostics), _ = resolved(folder, graph("[a.yaml]"))
    (found,) = diagnostics.items
    assert (found.code, found.span.source.path.rsplit("/", 1)[1], found.span.line) == ("G0119", "b.yaml", 4)
    assert "a.yaml -> b.yaml -> a.yaml" in found.message
    assert [note.span.source.path.rsplit("/", 1)[1] for note in found.notes] == ["a.yaml"]


def test_a_library_that_uses_itself(folder):
    folder("a.yaml", library("a", use="[a.yaml]"))
    (_, diagnostics), _ = resolved(folder, graph("[a.yaml]"))
    assert [item[0] for item in problems(diagnostics)] == ["G0119"]


def test_a_mistake_in_a_library_shows_both_places(folder):
    folder("a.yaml", library("a") + "  g(x): x +\n")
    (_, diagnostics), _ = resolved(folder, graph("[a.yaml]"))
    (found,) = diagnostics.items
    assert (found.code, found.span.source.path.rsplit("/", 1)[1]) == ("G0202", "a.yaml")
    assert (found.notes[-1].message, found.notes[-1].span.line) == ("used here", 4)


def test_what_cannot_be_used(folder):
    folder("r.yaml", "graphwright: 1\nkind: recipe\nname: r\npasses: []\n")
    (_, diagnostics), _ = resolved(folder, graph("[r.yaml]"))
    assert problems(diagnostics) == [("G0120", 4, 7, "'use:' names libraries and graphs")]


def test_a_graph_can_be_used_by_name(folder):
    folder("g.yaml", graph("[]"))
    (_, diagnostics), _ = resolved(folder, graph("[g.yaml]", "functions:\n  top_graph(x): x\n"))
    assert [item[:3] for item in problems(diagnostics)] == [("G0310", 7, 3)]


def test_names_from_two_libraries_clash(folder):
    folder("a.yaml", library("same"))
    folder("b.yaml", library("same"))
    (_, diagnostics), _ = resolved(folder, graph("[a.yaml, b.yaml]"))
    (found,) = diagnostics.items
    assert (found.code, found.span.column) == ("G0310", 15)
    assert [note.span.source.path.rsplit("/", 1)[1] for note in found.notes] == ["a.yaml", "b.yaml"]
    (_, diagnostics), _ = resolved(folder, graph("{p: a.yaml, q: b.yaml}"))
    assert not diagnostics.items


def test_long_chains_are_bounded(folder):
    for i in range(80):
        folder(f"l{i}.yaml", library(f"f{i}", use=f"[l{i + 1}.yaml]"))
    folder("l80.yaml", library("f80"))
    (_, diagnostics), _ = resolved(folder, graph("[l0.yaml]"))
    assert [item[0] for item in problems(diagnostics)] == ["G0009"]


def test_load_raises_everything(folder, tmp_path):
    folder("top.yaml", graph("[nowhere.yaml]", "nodes:\n  y: x +\n"))
    with pytest.raises(SpecError) as caught:
        load(str(folder.path / "top.yaml"))
    assert [d.code for d in caught.value.diagnostics] == ["G0202", "G0118"]


def test_every_spec_of_the_standard_library_resolves():
    for path in sorted(STANDARD_LIBRARY.rglob("*.yaml")):
        document, _ = parse_document(Source(str(path), path.read_text(encoding="utf-8")))
        _, diagnostics = resolve(document)
        assert [d for d in diagnostics.items if d.code != "G0804"] == [], path
