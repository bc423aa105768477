"""A fork packs the engine's state as it was when it was forked, and leaves nothing behind."""

import os
import signal

import pytest

from orderbook.core.commands import DefineAsset
from orderbook.core.engine import Engine
from orderbook.core.snapshot import snapshot
from orderbook.worker import snapshots
from orderbook.worker.snapshots import Packing, SnapshotFailed, SnapshotKeeper


def engine_with(assets: int) -> Engine:
    engine = Engine()
    for number in range(assets):
        engine.apply(DefineAsset(f"A{number}", 2), number)
    return engine


def assert_gone(packing: Packing) -> None:
    with pytest.raises(ChildProcessError):
        os.waitpid(packing._pid, 0)


def test_what_happens_after_the_fork_is_not_in_the_snapshot() -> None:
    engine = engine_with(3)
    then = snapshot(engine)
    packing = Packing(engine)
    engine.apply(DefineAsset("LATER", 2), 10)
    assert packing.result() == then != snapshot(engine)


def test_a_state_larger_than_a_pipe_arrives_whole() -> None:
    engine = engine_with(20_000)
    assert Packing(engine).result() == snapshot(engine)


def test_a_fork_that_dies_is_a_snapshot_that_failed() -> None:
    packing = Packing(engine_with(20_000))
    os.kill(packing._pid, signal.SIGKILL)
    with pytest.raises(SnapshotFailed):
        packing.result()


def test_a_fork_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "PACKING_TIMEOUT_S", 0.0)
    packing = Packing(engine_with(20_000))
    with pytest.raises(SnapshotFailed):  # A pipe holds less than the whole, so it waits once.
        packing.result()
    assert_gone(packing)


def test_a_state_that_is_not_wanted_any_more_leaves_no_process() -> None:
    packing = Packing(engine_with(20_000))
    packing.discard()
    assert_gone(packing)


async def test_a_keeper_that_is_closed_ends_the_fork_that_waits_for_its_commit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("django.conf.settings.ENGINE_SNAPSHOT_EVERY", 1)
    keeper = SnapshotKeeper(0)
    assert keeper.due(1)
    packing = keeper.pack(engine_with(3))
    assert packing is not None
    assert not keeper.due(2)
    await keeper.close()
    assert_gone(packing)


def test_a_process_that_cannot_be_forked_goes_without_a_snapshot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> int:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(os, "fork", refuse)
    assert SnapshotKeeper(0).pack(engine_with(1)) is None
