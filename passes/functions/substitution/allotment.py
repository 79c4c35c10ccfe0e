"""How the outputs' tolerance is split: every place its cheapest program, until together they are too far off."""

from __future__ import annotations

import heapq
from collections.abc import Sequence


def allotted(errors: Sequence[Sequence[float]], total: float) -> list[int | None]:
    """For each place one of its programs, of which `errors` holds what they move an output by, the cheapest first:
    independent errors add up by their squares to at most `total`². Where they would not, the place that moves most
    gets its next program that moves less; None where it has none. At most one step for each program."""
    chosen: list[int | None] = [0 if row else None for row in errors]
    queue = [(-row[0], i) for i, row in enumerate(errors) if row]
    heapq.heapify(queue)
    while queue and sum(e * e for e, _ in queue) > total * total:
        error, place = heapq.heappop(queue)
        row, start = errors[place], chosen[place] or 0
        following = next((k for k in range(start + 1, len(row)) if row[k] < -error), None)
        chosen[place] = following
        if following is not None:
            heapq.heappush(queue, (-row[following], place))
    return chosen
