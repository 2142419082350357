"""Which fault has which number, and how one is suffered from beginning to end."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tests.chaos import judge
from tests.chaos.faults import KINDS, OF_KIND, Run, again
from tests.chaos.world import TRIALS, World

# Nights are what happens most, and what takes longest.
_OFTEN = {"run": 3}
_SHARES = {"kill": 2, "power": 6, "store": 5, "full": 4, "extract": 2, "table": 4, "stall": 3, "race": 2, "clock": 3}
_NIGHT_AFTER = 0.15  # of commands, so many are followed by nights too


@dataclass(frozen=True)
class Fault:
    """A fault of a plan; everything about it follows from the seed and its number."""

    seed: int
    number: int
    kind: str
    trial: str
    follow: bool

    def told(self, note: str) -> str:
        return f"{self.number:4} {self.kind:8} {self.trial:12} {note}"


def planned(seed: int, number: int, *, only: str | None = None, trials: Sequence[str] = tuple(TRIALS)) -> Fault:
    """The fault of that number. `only`: of this kind. `trials`: what may be disturbed, as far as the kind allows it."""
    dice = random.Random(f"{seed} {number}")
    kind = only or dice.choices(list(_SHARES), list(_SHARES.values()))[0]
    possible = [name for name in OF_KIND.get(kind, tuple(TRIALS)) if name in trials] or OF_KIND[kind]
    trial = dice.choices(possible, [_OFTEN.get(name, 1) for name in possible])[0]
    return Fault(seed, number, kind, trial, dice.random() < _NIGHT_AFTER)


def suffered(world: World, fault: Fault) -> tuple[str, list[str]]:
    """Disturb, look, give the command again, compare. Gives what was done, and what should not be."""
    left = world.left(fault.trial)
    dice = random.Random(f"{fault.seed} {fault.number} {fault.kind}")
    run = Run(world, fault.trial, dice, world.start(fault.trial), left)
    KINDS[fault.kind](run)
    run.flaws.extend(f"at once: {flaw}" for flaw in judge.readers(run))
    note = f"{run.note}: {(run.told or 'went through')[:110]}"
    again(run)
    run.flaws.extend(judge.ended(run, left))
    if fault.follow and not run.flaws:
        world.follow(fault.trial, run.shop)
        run.flaws.extend(f"nights after: {flaw}" for flaw in judge.ended(run, world.after(fault.trial)))
    return note, run.flaws
