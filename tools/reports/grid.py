"""A grid of blocks for people: as text, and drawn as SVG.

Blocks stand under the block whose mail they get. Lines on the left are mail routes, the rail on the
right takes what is proved to the block whose state everybody hears.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from ...backends.logic.topology import BlockView, Topology

MOST_GOALS = 6
"""Goals of a block that a drawing names."""


def grid_text(grid: Topology) -> Iterator[str]:
    """The lines of the grid: blocks as a tree, mail routes as its branches, then the broadcast."""
    yield (
        f"grid of {_counted(len(grid.blocks), 'block')}, {_counted(len(grid.given), 'statement')} given, "
        f"at most {_counted(grid.cycles, 'cycle')} for each stage of search"
    )
    children = _children(grid)
    for root in children[-1]:
        yield from _text(grid, children, root, "  ", "  ")
    tellers = [i for i, block in enumerate(grid.blocks) if block.tells]
    yield f"  mail: {', '.join(_routes(grid)) or 'none'}"
    yield f"  broadcast: what is proved in {_ranges(tellers)} goes to {_ranges(grid.broadcast)}, which all hear"


def _text(grid: Topology, children: dict[int, list[int]], place: int, first: str, rest: str) -> Iterator[str]:
    block = grid.blocks[place]
    yield f"{first}block {place}: {_title(block)}"
    below = children[place]
    bar = "│   " if below else "    "
    yield from (f"{rest}{bar}? {name}: {statement}" for name, statement in block.goals)
    for number, child in enumerate(below):
        last = number == len(below) - 1
        branch, under = ("└─▶ ", "    ") if last else ("├─▶ ", "│   ")
        yield from _text(grid, children, child, rest + branch, rest + under)


def _title(block: BlockView) -> str:
    assumed = f"assumes {block.adds}" if block.adds else "given the axioms"
    return f"{assumed} · {_counted(len(block.goals), 'goal')}"


def _counted(number: int, word: str) -> str:
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"


def _children(grid: Topology) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {i: [] for i in range(-1, len(grid.blocks))}
    for place, parent in enumerate(grid.parents):
        found[parent].append(place)
    return found


def _routes(grid: Topology) -> Iterator[str]:
    """`0 -> 1..12`, a sender a text."""
    for sender in range(len(grid.blocks)):
        heard = [i for i, block in enumerate(grid.blocks) if sender in block.hears and i != sender]
        if heard:
            yield f"{sender} -> {_numbers(heard)}"


def _numbers(places: list[int] | tuple[int, ...]) -> str:
    """`1..3, 7`."""
    parts: list[str] = []
    start = 0
    for end in range(1, len(places) + 1):
        if end == len(places) or places[end] != places[end - 1] + 1:
            first, last = places[start], places[end - 1]
            parts.append(f"{first}" if first == last else f"{first}..{last}")
            start = end
    return ", ".join(parts)


def _ranges(places: list[int] | tuple[int, ...]) -> str:
    return f"{'block' if len(places) == 1 else 'blocks'} {_numbers(places)}" if places else "no block"


# --- SVG ------------------------------------------------------------------------------------------

WIDTH, INDENT, LINE, PAD, GAP = 960, 44, 19, 10, 16
_LEFT, _RAIL = 24, 70
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1b1f24; } .mono { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 12.5px; }
.head { font-weight: 600; } .soft { fill: #59636e; } .box { fill: #f6f8fa; stroke: #b6bec7; } .given { fill: #fff; stroke: #b6bec7; }
.mail { fill: none; stroke: #0b57c2; stroke-width: 1.5; } .told { fill: none; stroke: #116329; stroke-width: 1.3; stroke-dasharray: 5 3; }
.paper { fill: #fff; }
"""  # noqa: E501  # a style sheet


def grid_svg(grid: Topology, name: str) -> str:
    """The drawing, to be seen in a browser."""
    return _Drawing(grid, name).svg()


class _Drawing:
    """Boxes from top to bottom, indented by how much they assume."""

    def __init__(self, grid: Topology, name: str) -> None:
        self.grid, self.name = grid, name
        self.parts: list[str] = []
        self.top: dict[int, float] = {}
        self.left: dict[int, float] = {}

    def svg(self) -> str:
        y = self._given(52)
        children = _children(self.grid)
        stack = [(root, 0) for root in reversed(children[-1])]
        while stack:
            place, depth = stack.pop()
            y = self._block(place, depth, y)
            stack += [(child, depth + 1) for child in reversed(children[place])]
        self._mail()
        self._told(y)
        height = int(y) + 34
        legend = (
            f'<text x="{_LEFT}" y="{height - 12}" class="soft">blue: mail, from a block to those that assume '
            "more · green: what is proved, to the block that all hear</text>"
        )
        title = f'<text x="{_LEFT}" y="30" class="head" style="font-size:17px">{escape(self.name)}</text>'
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
            f'height="{height}"><style>{_STYLE}</style><defs>{_marker("mail", "#0b57c2")}'
            f"{_marker('told', '#116329')}</defs>"
            f'<rect class="paper" width="{WIDTH}" height="{height}"/>{title}\n'
            + "\n".join([*self.parts, legend])
            + "\n</svg>\n"
        )

    def _given(self, y: float) -> float:
        """The box of what is taken for true."""
        shown = self.grid.given[:MOST_GOALS]
        lines = [f"{statement}" for _, statement in shown]
        if len(self.grid.given) > len(shown):
            lines.append(f"… {len(self.grid.given) - len(shown)} more")
        height = (1 + len(lines)) * LINE + 2 * PAD
        self._box("given", _LEFT, y, 420, height, "taken for true", lines)
        bottom = y + height
        self.parts.append(
            f'<path class="mail" d="M {_LEFT + 60} {bottom} V {bottom + GAP - 2}" marker-end="url(#mail)"/>'
        )
        return bottom + GAP

    def _block(self, place: int, depth: int, y: float) -> float:
        block = self.grid.blocks[place]
        goals = [f"? {statement}" for _, statement in block.goals[:MOST_GOALS]]
        if len(block.goals) > MOST_GOALS:
            goals.append(f"… {len(block.goals) - MOST_GOALS} more")
        height = (1 + len(goals)) * LINE + 2 * PAD
        x = _LEFT + depth * INDENT
        self.top[place], self.left[place] = y, x
        self._box("box", x, y, WIDTH - _RAIL - x, height, f"block {place}: {_title(block)}", goals)
        return y + height + GAP

    def _box(
        self, kind: str, x: float, y: float, width: float, height: float, head: str, lines: list[str]
    ) -> None:
        self.parts.append(
            f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="5"/>'
            f'<text class="head" x="{x + PAD}" y="{y + PAD + 13}">{escape(_cut(head, width))}</text>'
        )
        for number, line in enumerate(lines, 1):
            kind_ = "mono soft" if line.startswith("…") else "mono"
            self.parts.append(
                f'<text class="{kind_}" x="{x + PAD}" y="{y + PAD + 13 + number * LINE}">'
                f"{escape(_cut(line, width))}</text>"
            )

    def _mail(self) -> None:
        """An elbow from each block to those under it, in the gutter on their left."""
        for place, parent in enumerate(self.grid.parents):
            if parent >= 0:
                x, start, end = self.left[parent] + 16, self.top[parent], self.top[place] + PAD + 9
                height = (1 + min(len(self.grid.blocks[parent].goals), MOST_GOALS + 1)) * LINE + 2 * PAD
                self.parts.append(
                    f'<path class="mail" d="M {x} {start + height} V {end} H {self.left[place] - 2}" '
                    'marker-end="url(#mail)"/>'
                )

    def _told(self, bottom: float) -> None:
        """The rail: from each block that may prove something to those whose state takes it in."""
        rail, side = WIDTH - _RAIL + 34, WIDTH - _RAIL
        tellers = [i for i, block in enumerate(self.grid.blocks) if block.tells]
        if not tellers:
            return
        places = [self.top[i] + PAD + 9 for i in (*tellers, *self.grid.broadcast)]
        self.parts.append(f'<path class="told" d="M {rail} {min(places)} V {max(places) + 8}"/>')
        for teller in tellers:
            y = self.top[teller] + PAD + 17
            self.parts.append(f'<path class="told" d="M {side} {y} H {rail}"/>')
        for hearer in self.grid.broadcast:
            y = self.top[hearer] + PAD + 9
            self.parts.append(f'<path class="told" d="M {rail} {y} H {side + 2}" marker-end="url(#told)"/>')


def _marker(name: str, colour: str) -> str:
    return (
        f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        f'orient="auto"><path d="M 0 0 L 8 4 L 0 8 z" fill="{colour}"/></marker>'
    )


def _cut(text: str, width: float) -> str:
    """The text, as much as fits."""
    most = int((width - 2 * PAD) / 7.7)
    return text if len(text) <= most else f"{text[: most - 1]}…"
