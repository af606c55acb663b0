"""Kills or signals one of several ranks at seeded random moments of a training's life, and says what that did.

Moments take turns through that life: imports, meeting, first step, steps, validation, checkpoint, end of an epoch,
finishing. Each is a run of its own, which the same command then goes on with, and which must be the undisturbed run bit
for bit in the end. In some the network lies in parts (`ranks.shard`). A moment that failed is repeated by what
is printed of it: `--only KILL --first 7 --moments 1`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "e2e"))

from rank_moments import Whole, disturbed, undisturbed
from rank_verdicts import FAULTS, Moment, Outcome, summed_up
from sittings import Sittings

HEAD = (
    f"{'ranks':<6} {'weights':<9} {'fault':<6} {'moments':>7} {'no run':>8} {'finished':>9} {'ended':>6} {'max':>5} "
    f"{'lost ms':>8} {'taken back':>10} {'wrong':>6}"
)


def main() -> None:
    """Print a row for each kind of moment; ends with 1 where one did not do what is promised."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.ranks_moments", description=__doc__)
    options.add_argument("--size", type=int, default=2, help="ranks")
    options.add_argument("--moments", type=int, default=20, help="of each fault")
    options.add_argument("--first", type=int, default=0, help="number of the first of them")
    options.add_argument("--only", choices=tuple(FAULTS), help="this fault alone")
    options.add_argument("--shard-every", type=int, default=4, help="in which the network lies in parts; 0: in none")
    args = options.parse_args()
    began, found = time.monotonic(), list[Outcome]()
    with tempfile.TemporaryDirectory() as scratch, Sittings() as sittings, Sittings(cold=True) as cold:
        folder, wholes = Path(scratch), dict[bool, Whole]()
        for fault in FAULTS if args.only is None else (args.only,):
            for number in range(args.first, args.first + args.moments):
                is_sharded = args.shard_every > 0 and number % args.shard_every == args.shard_every - 1
                if is_sharded not in wholes:
                    place = folder / f"whole{is_sharded:d}"
                    wholes[is_sharded] = undisturbed(sittings, cold, place, args.size, is_sharded=is_sharded)
                moment = Moment(fault, args.size, number, is_sharded)
                outcome = disturbed(sittings, cold, folder / f"{fault}{number}", wholes[is_sharded], moment)
                if outcome is None:
                    print(f"{fault} {number}: the run had ended before the moment came", flush=True)
                    continue
                found.append(outcome)
                print(_line(outcome), flush=True)
    print("\n".join(_report(found, args.size, time.monotonic() - began)))
    sys.exit(1 if any(outcome.doubts for outcome in found) else 0)


def _line(outcome: Outcome) -> str:
    moment = outcome.moment
    words = "; ".join(outcome.doubts) or "as promised"
    parts = ", in parts" if moment.is_sharded else ""
    return (
        f"{moment.fault} {moment.number} at rank {outcome.rank}, {moment.stage}{parts}: codes {outcome.codes} "
        f"after {outcome.ended_s:.1f} s, step {outcome.step}, taken back {outcome.taken_back}: {words}"
    )


def _report(found: Sequence[Outcome], size: int, seconds: float) -> list[str]:
    lines = ["", HEAD]
    for is_sharded in (False, True):
        for fault in FAULTS:
            chosen = [one for one in found if (one.moment.fault, one.moment.is_sharded) == (fault, is_sharded)]
            if chosen:
                lines.append(f"{size:<6} {'in parts' if is_sharded else 'whole':<9} {fault:<6} {summed_up(chosen)}")
    stages = Counter(outcome.moment.stage for outcome in found)
    lines.append(f"{', '.join(f'{count} {stage}' for stage, count in stages.items())}; {seconds:.0f} s")
    return lines


if __name__ == "__main__":
    main()
