"""Shows one seeded schedule in the order of its virtual time: `python tests/simulation/look.py SEED`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import structlog

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script it has no conftest that does it: twins lie there

from sim_bundle import arithmetic_bundle
from sim_outcome import Outcome, differences
from sim_schedule import drawn
from sim_world import World

from scoring.bundle import Bundle


def look(seed: int, bundle: Bundle) -> Iterator[str]:
    """What was written, what the hosts logged and which faults were injected, in virtual time (seconds since the first
    host began); then how the outcome differs from that of the undisturbed run."""
    schedule = drawn(seed)
    began = schedule.plan.begins
    lines = [
        (write.written, f"written, {write.expected}: {write.change} {write.image or write.keys}")
        for write in schedule.script.writes
    ]
    world = World(schedule.script, bundle, schedule.plan, seed=seed)

    def keep(_: Any, level: str, event: dict[str, Any]) -> str:
        about = " ".join(f"{name}={value!r}" for name, value in event.items() if name != "event")
        lines.append((world.clock.now, f"step {world.steps}, {level}: {event['event']} {about}"))
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[keep], wrapper_class=structlog.BoundLogger, cache_logger_on_first_use=False)
    try:
        world.run()
        found = [(at, f"fault: {name}") for name, at in world.faults.at] + lines
        expected = Outcome.of(schedule.undisturbed(bundle))
    finally:
        structlog.configure(**before)
    plan = schedule.plan
    yield f"seed {seed}: {len(schedule.script.shards)} shards, {plan.hosts} hosts, start {plan.start}"
    for at, said in sorted(found, key=lambda line: line[0]):
        yield f"{at - began:9.1f} s  {said}"
    yield from differences(expected, Outcome.of(world)) or ["the promise was kept"]


if __name__ == "__main__":
    for line in look(int(sys.argv[1]), arithmetic_bundle()):
        sys.stdout.write(f"{line}\n")
