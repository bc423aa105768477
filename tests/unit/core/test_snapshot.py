"""Snapshot, restore and state hash: exact, canonical, and never fooled by damaged bytes."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from orderbook.core import snapshot as module
from orderbook.core.engine import Engine
from orderbook.core.errors import SnapshotCorrupt
from orderbook.core.invariants import check
from orderbook.core.snapshot import restore, snapshot, state_hash, stored_hash
from tests.unit.core.flow import make_flow, run
from tests.unit.core.special_flow import SpecialFlow

ROOT = Path(__file__).resolve().parents[3]
COMMANDS = make_flow(seed=7, count=1_500)
ENGINE = run(COMMANDS)
DATA = snapshot(ENGINE)


def test_an_empty_engine_survives() -> None:
    assert state_hash(restore(snapshot(Engine()))) == state_hash(Engine())


def test_a_restored_engine_has_the_same_bytes() -> None:
    assert snapshot(restore(DATA)) == DATA


def test_the_hash_is_that_of_the_state() -> None:
    assert state_hash(restore(DATA)) == state_hash(ENGINE) == stored_hash(DATA)
    shorter = run(COMMANDS[:-1])
    assert state_hash(shorter) != state_hash(ENGINE)


@pytest.mark.parametrize("cut", [0, 1, 400, 1_000, 1_499, 1_500])
def test_a_snapshot_and_the_rest_equal_a_full_replay(cut: int) -> None:
    engine = restore(snapshot(run(COMMANDS[:cut])))
    events = [engine.apply(command, cut + n) for n, command in enumerate(COMMANDS[cut:])]
    full = Engine()
    expected = [full.apply(command, n) for n, command in enumerate(COMMANDS)]
    assert events == expected[cut:]
    assert snapshot(engine) == DATA


def test_the_hash_seed_of_python_makes_no_difference() -> None:
    script = (
        "from tests.unit.core.flow import make_flow, run\n"
        "from orderbook.core.snapshot import state_hash\n"
        "print(state_hash(run(make_flow(seed=7, count=1_500))))"
    )
    hashes = {
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("0", "1", "4242")
    }
    assert hashes == {state_hash(ENGINE)}


@pytest.mark.parametrize("place", range(0, len(DATA), max(1, len(DATA) // 97)))
def test_a_flipped_bit_is_found(place: int) -> None:
    damaged = bytearray(DATA)
    damaged[place] ^= 0x10
    with pytest.raises(SnapshotCorrupt):
        restore(bytes(damaged))


@pytest.mark.parametrize("data", [b"", b"\x00", b"not a snapshot", DATA[:-1], DATA + b"\x00"])
def test_what_is_no_snapshot_is_refused(data: bytes) -> None:
    with pytest.raises(SnapshotCorrupt):
        restore(data)


def forged(**changes: object) -> bytes:
    """A snapshot with a right checksum over a changed state."""
    state = msgspec.structs.replace(
        module._decode_state(module._decode_file(DATA).state), **changes
    )
    content = module._encode(state)
    return module._encode(module._File(module.FORMAT, hashlib.sha256(content).digest(), content))


def test_a_forged_state_must_still_be_sound() -> None:
    assert snapshot(restore(forged())) == DATA
    with pytest.raises(SnapshotCorrupt, match="unsound"):
        restore(forged(next_order_id=1))
    with pytest.raises(SnapshotCorrupt, match="unknown"):
        restore(forged(accounts=[]))


@pytest.mark.parametrize("seed", range(8))
def test_every_kind_of_order_survives_at_any_moment(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that is restored again and again answers as the one that runs on."""
    monkeypatch.setattr("orderbook.core.triggers.MAX_TRIGGERS", 1 + seed % 3)
    engine = restored = Engine()
    flow = SpecialFlow(seed, funds_minor=50_000 if seed % 2 else 10**9)
    for count in range(600):
        command, time_ns = flow.next(engine)
        events = engine.apply(command, time_ns)
        check(engine)
        if restored is not engine:
            assert restored.apply(command, time_ns) == events
        if count % 53 == 0 or engine.venue.agenda:
            restored = restore(snapshot(engine))
    assert snapshot(restored) == snapshot(engine)


def test_another_format_is_refused() -> None:
    file = module._File("rialto-snapshot-0", b"", b"")
    with pytest.raises(SnapshotCorrupt, match="format"):
        restore(module._encode(file))
