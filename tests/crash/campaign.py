"""Kill, restart, check, again; then the audit.

Two campaigns with one end: ``embedded`` kills the whole venue, ``full`` the engine and now and then
another process. Every random choice comes from the seed; what the machine does in between does not.
"""

import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.crash.flow import FUNDS, Flow
from tests.support.embedded_venue import ROOT, EmbeddedVenue
from tests.support.full_venue import FullVenue

SNAPSHOT_EVERY = "150"
"""Few commands between snapshots, so that recovery starts from one nearly every time."""
ENOUGH_ORDERS = 60
"""Acknowledged at least, before each kill: on a slow machine it comes later."""
ORDERS_FOR_A_SNAPSHOT = 200
"""Acknowledged after the last kill, so that the last engine has stored one."""
LONGEST_RUN_S = 1.5
"""The flow runs for a random time up to this before a kill."""
LONGEST_START_S = 2.5
"""A start that is to be cut off is cut off within this time."""
FULL_DEADLINE_S = 5.0
"""Longer than a restart of the engine: what a kill leaves unanswered is sent again and answered."""
AUDIT_TIMEOUT_S = 600.0
VICTIMS = {"engine": 80, "projector": 8, "web": 12}
"""Process: how often it is chosen, of a hundred times."""

Say = Callable[[str], None]


def _quiet(text: str) -> None:
    """Progress that nobody wants to read."""


async def embedded(
    data_dir: Path, *, kills: int, seed: int, say: Say = _quiet, **environment: str
) -> dict[str, Any]:
    """``kills`` times SIGKILL to an embedded venue under load. Its ``faults`` must be empty."""
    rng = random.Random(seed)
    venue = EmbeddedVenue(
        data_dir,
        ENGINE_SNAPSHOT_EVERY=SNAPSHOT_EVERY,
        DEMO_FUNDS=FUNDS,
        ACCESS_TOKEN_MINUTES="1000",
        **environment,
    )
    flow = Flow(venue.url, seed=seed)
    started = time.monotonic()
    try:
        await asyncio.to_thread(venue.start)
        await flow.open()
        killed = 0
        while killed < kills:
            killed += await _kill_and_check(venue, flow, rng, kills - killed)
            say(f"kill {killed} of {kills}: {flow.summary()}")
        flow.run()
        await flow.acknowledged(ORDERS_FOR_A_SNAPSHOT)
        await flow.close()
        if code := await asyncio.to_thread(venue.stop):
            flow.records.faults.append(f"the venue's exit code was {code}:\n{venue.log()[-3000:]}")
        report = await asyncio.to_thread(audit, flow, data_dir, venue.environment, live=False)
    except BaseException:
        say(venue.log()[-6000:])
        raise
    finally:
        venue.kill()
    return _result("embedded", kills, seed, started, flow, report)


async def _kill_and_check(venue: EmbeddedVenue, flow: Flow, rng: random.Random, most: int) -> int:
    """Lets the flow run, kills, now and then kills the next start too; gives how many kills."""
    flow.run()
    await _run_for_a_while(flow, rng)
    venue.kill()
    killed = 1
    while killed < most and rng.random() < 0.2:
        await _cut_off_start(venue, rng.uniform(0.2, LONGEST_START_S))
        killed += 1
    await flow.pause()
    await asyncio.to_thread(venue.start)
    await flow.settle()
    await flow.check()
    return killed


async def _run_for_a_while(flow: Flow, rng: random.Random) -> None:
    longest = asyncio.create_task(asyncio.sleep(rng.uniform(0.02, LONGEST_RUN_S)))
    await flow.acknowledged(ENOUGH_ORDERS)
    await longest


async def _cut_off_start(venue: EmbeddedVenue, after_s: float) -> None:
    """Kills a venue that is still recovering, or has just got ready."""
    start = asyncio.create_task(asyncio.to_thread(venue.start))
    await asyncio.sleep(after_s)
    venue.kill()
    await asyncio.gather(start, return_exceptions=True)
    # A start that a busy machine had not even begun by then came too late for the first kill.
    venue.kill()


async def full(
    data_dir: Path,
    servers: Mapping[str, str],
    *,
    kills: int,
    seed: int,
    say: Say = _quiet,
) -> dict[str, Any]:
    """``kills`` times SIGKILL to a process of a full-mode venue, which its supervisor restarts.

    ``servers``: DATABASE_URL and REDIS_URL.
    """
    rng = random.Random(seed)
    venue = FullVenue(
        data_dir,
        ENGINE_SNAPSHOT_EVERY=SNAPSHOT_EVERY,
        DEMO_FUNDS=FUNDS,
        ACCESS_TOKEN_MINUTES="1000",
        COMMAND_DEADLINE_S=str(FULL_DEADLINE_S),
        **servers,
    )
    flow = Flow(venue.url, seed=seed, deadline_s=FULL_DEADLINE_S + 1.0)
    started = time.monotonic()
    try:
        await asyncio.to_thread(venue.start)
        await flow.open()
        flow.run()
        for number in range(1, kills + 1):
            await _run_for_a_while(flow, rng)
            victim = rng.choices(list(VICTIMS), list(VICTIMS.values()))[0]
            pid = venue.kill(victim)
            await asyncio.to_thread(venue.wait_for_another, victim, pid)
            await flow.check()
            say(f"kill {number} of {kills} ({victim}): {flow.summary()}")
        await flow.acknowledged(ORDERS_FOR_A_SNAPSHOT)
        await asyncio.to_thread(venue.wait_for_a_snapshot)
        await flow.pause()
        await flow.settle()
        await flow.check()
        await flow.close()
        report = await asyncio.to_thread(audit, flow, data_dir, venue.venue_environment, live=True)
        code = await asyncio.to_thread(venue.stop)
        if code:
            report["faults"].append(f"the venue's exit code was {code}:\n{venue.log()}")
    except BaseException:
        say(venue.log())
        raise
    finally:
        await asyncio.to_thread(venue.stop)
    return _result("full", kills, seed, started, flow, report)


def audit(
    flow: Flow, data_dir: Path, environment: Mapping[str, str], *, live: bool
) -> dict[str, Any]:
    records = data_dir / "records.json"
    flow.save(records)
    answer = subprocess.run(
        [sys.executable, "-m", "tests.crash.audit", str(records), *(["--live"] if live else [])],
        cwd=ROOT,
        env={**environment, "LOG_LEVEL": "WARNING"},
        capture_output=True,
        text=True,
        check=False,
        timeout=AUDIT_TIMEOUT_S,
    )
    if answer.returncode:
        return {"faults": [f"the audit failed:\n{answer.stdout}\n{answer.stderr[-4000:]}"]}
    report: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return report


def _result(
    mode: str, kills: int, seed: int, started: float, flow: Flow, report: dict[str, Any]
) -> dict[str, Any]:
    return {
        "mode": mode,
        "kills": kills,
        "seed": seed,
        "seconds": round(time.monotonic() - started, 1),
        **flow.summary(),
        **report,
    }
