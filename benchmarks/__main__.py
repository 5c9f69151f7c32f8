"""Measure claims on this machine: `python -m benchmarks [CLAIM ...] [--scale 1] [--rounds 3]`."""

import argparse
from collections.abc import Callable

from benchmarks import budget, first_chunk, flight, nodes, shapes, stage_a_table
from benchmarks.ground import Ground, ground

CLAIMS: dict[str, Callable[[Ground, int], str]] = {
    "stage-a-table": stage_a_table.measure,
    "budget": budget.measure,
    "first-chunk": first_chunk.measure,
    "flight": flight.measure,
    "shapes": shapes.measure,
    "nodes": nodes.measure,
}
_BY_NAME_ALONE = {"stage-a-table-fastest": stage_a_table.measure_fastest}


def main() -> None:
    known = CLAIMS | _BY_NAME_ALONE
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("claims", nargs="*", metavar="CLAIM", help=", ".join(known))
    parser.add_argument("--scale", type=float, default=1.0, help="TPC-H scale factor (1)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds after the warm-up (3)")
    asked = parser.parse_args()
    unknown = set(asked.claims) - set(known)
    if unknown:
        parser.error(f"there is no claim {', '.join(sorted(unknown))}")
    with ground(asked.scale) as place:
        for claim in asked.claims or CLAIMS:
            print(known[claim](place, asked.rounds))


if __name__ == "__main__":
    main()
