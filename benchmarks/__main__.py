"""Measure claims on this machine: `python -m benchmarks [CLAIM ...] [--scale 1] [--rounds 3]`."""

import argparse
from collections.abc import Callable
from functools import partial

from benchmarks import (
    api,
    budget,
    first_chunk,
    flight,
    links,
    nodes,
    partitions,
    shapes,
    stage_a_table,
)
from benchmarks.ground import Ground, ground

WITHOUT_GROUND: dict[str, Callable[[float, int], str]] = {
    "links": links.measure,
    "api": api.measure,
}
"""What is measured on parts of its own, given the scale and the rounds."""
CLAIMS: dict[str, Callable[[Ground, int], str]] = {
    "stage-a-table": stage_a_table.measure,
    "budget": budget.measure,
    "first-chunk": first_chunk.measure,
    "flight": flight.measure,
    "partitions": partitions.measure,
    "shapes": shapes.measure,
    "nodes": nodes.measure,
}
_BY_NAME_ALONE = {"stage-a-table-fastest": stage_a_table.measure_fastest}


def main() -> None:
    known = [*WITHOUT_GROUND, *CLAIMS, *_BY_NAME_ALONE]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("claims", nargs="*", metavar="CLAIM", help=", ".join(known))
    parser.add_argument("--scale", type=float, default=1.0, help="TPC-H scale factor (1)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds after the warm-up (3)")
    parser.add_argument(
        "--partitions",
        type=int,
        default=partitions.FEWER,
        help=f"partitions of that claim, which is about 100,000 ({partitions.FEWER})",
    )
    asked = parser.parse_args()
    unknown = set(asked.claims) - set(known)
    if unknown:
        parser.error(f"there is no claim {', '.join(sorted(unknown))}")
    chosen = asked.claims or [*WITHOUT_GROUND, *CLAIMS]
    for claim in (each for each in chosen if each in WITHOUT_GROUND):
        print(WITHOUT_GROUND[claim](asked.scale, asked.rounds))
    on_ground = [each for each in chosen if each not in WITHOUT_GROUND]
    if not on_ground:
        return
    counted = partial(partitions.measure, count=asked.partitions)
    with ground(asked.scale) as place:
        for claim in on_ground:
            measure = (CLAIMS | _BY_NAME_ALONE | {"partitions": counted})[claim]
            print(measure(place, asked.rounds))


if __name__ == "__main__":
    main()
