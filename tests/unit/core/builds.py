"""Seeded flows of every kind of command, and a digest of all that an engine answers to them.

Run as a program, prints which build of the core it used and the digest: the builds must agree.
"""

import hashlib
import json

import msgspec

from orderbook import speedups
from orderbook.core.commands import AdvanceTime
from orderbook.core.engine import Engine
from orderbook.core.snapshot import state_hash
from tests.unit.core import flow, test_changes_flow, test_market_flow
from tests.unit.core.special_flow import SpecialFlow
from tests.unit.core.venue import SETUP

STEPS = 3_000


def digest(seed: int) -> str:
    """Of every event and of the states that the flows lead to."""
    found = hashlib.sha256()
    encode = msgspec.msgpack.encode
    commands = flow.make_flow(seed, STEPS)
    engine = Engine()
    for number, command in enumerate(commands):
        found.update(encode(engine.apply(command, number)))
    found.update(state_hash(engine).encode())
    for funds_minor in (50_000, 10**9):
        engine, special = Engine(), SpecialFlow(seed, funds_minor)
        for _ in range(STEPS):
            found.update(encode(special.step(engine)))
        found.update(state_hash(engine).encode())
    engine, changes = Engine(), test_changes_flow.Flow(seed)
    for number in range(STEPS):
        command = SETUP[number] if number < len(SETUP) else changes.next(engine)
        if engine.next_due_ns <= number:
            command = AdvanceTime()
        changes.time_ns = number
        found.update(encode(engine.apply(command, number)))
    found.update(state_hash(engine).encode())
    market = test_market_flow.run(seed, STEPS)
    for _, _, events in market.steps:
        found.update(encode(events))
    found.update(state_hash(market.engine).encode())
    return found.hexdigest()


if __name__ == "__main__":
    print(json.dumps({"state": speedups.state, "digest": [digest(seed) for seed in range(2)]}))
