"""Order flow of several traders at once, and what can be checked of it through the API."""

import asyncio
import random
import time
from pathlib import Path
from typing import Any

import httpx
import msgspec

from tests.crash.records import Claim, Placement, Records
from tests.crash.trader import Told, Trader, pause_of

LANES = 2
"""Requests that one trader keeps under way."""
PASSWORD = "a-Quiet-harbour-7"
FUNDS = '{"USDT": "10000000", "BTC": "200", "ETH": "3000"}'
"""DEMO_FUNDS of the venues that are tested."""
SAMPLE = 5
"""Older orders of each trader that a check reads again, one by one."""
SETTLE_TIMEOUT_S = 120.0
SETTLED_AT_ONCE = 32
ACKNOWLEDGED_POLL_S = 0.01
LOOK_UP_PAUSE_S = 0.1


class Flow:
    """``open`` once the venue is up, ``run`` and ``pause`` in turn, ``settle`` and ``check``."""

    def __init__(
        self,
        url: str,
        *,
        seed: int,
        name: str = "flow",
        traders: int = 4,
        deadline_s: float = 0.0,
    ) -> None:
        self.records = Records()
        self._url = url
        self._rng = random.Random(seed)
        self._name = name
        """Of its users; flows on one venue have different ones."""
        self._trader_count = traders
        self._deadline_s = deadline_s
        """How long after a request its outcome may still change."""
        self._traders: list[Trader] = []
        self._lanes: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()
        self._runs = 0
        self._checked: dict[int, int] = {}
        """By account: newest order id at the last check."""

    async def open(self) -> None:
        async with httpx.AsyncClient(base_url=self._url, timeout=60) as client:
            for number in range(self._trader_count):
                token = await _sign_up(client, f"{self._name}-{number}")
                trader = Trader(self._url, token, self.records)
                await trader.open()
                self._traders.append(trader)

    async def close(self) -> None:
        await self.pause()
        for trader in self._traders:
            await trader.close()

    def run(self) -> None:
        self._runs += 1
        self._stop.clear()
        for number, trader in enumerate(self._traders):
            for lane in range(LANES):
                name = f"t{number}-{self._runs}-{lane}"
                rng = random.Random(self._rng.random())
                work = trader.lane(name, rng, self._stop)
                self._lanes.append(asyncio.create_task(work, name=name))

    async def pause(self) -> None:
        """Lets every lane finish what it has under way."""
        self._stop.set()
        lanes, self._lanes = self._lanes, []
        await asyncio.gather(*lanes)

    # -- facts --------------------------------------------------------------------------------

    def count(self, *claims: Claim) -> int:
        """Orders of which at least one of these was said."""
        wanted = set(claims)
        return sum(not wanted.isdisjoint(p.claims) for p in self.records.placements)

    async def acknowledged(self, more: int) -> None:
        """Until so many more orders have been acknowledged."""
        wanted = self.count(Claim.ACKNOWLEDGED) + more
        deadline = time.monotonic() + SETTLE_TIMEOUT_S
        while self.count(Claim.ACKNOWLEDGED) < wanted:
            assert time.monotonic() < deadline, f"orders are not acknowledged: {self.summary()}"
            await asyncio.sleep(ACKNOWLEDGED_POLL_S)

    def summary(self) -> dict[str, int]:
        placements = self.records.placements
        return {
            "orders": len(placements),
            **{claim.name.lower(): self.count(claim) for claim in Claim},
            "found_later": sum(p.found is not None for p in placements),
            "never_executed": sum(p.never for p in placements),
            "amends_acknowledged": sum(p.amendment is not None for p in placements),
            "cancels_acknowledged": sum(p.cancellation is not None for p in placements),
        }

    def save(self, path: Path) -> None:
        path.write_bytes(msgspec.json.encode(self.records))

    # -- checks through the API ---------------------------------------------------------------

    async def settle(self) -> None:
        """Finds out what became of every order whose outcome is unknown, by its client order id.

        Many at a time: each may have to wait for a deadline, and a long campaign leaves hundreds.
        """
        deadline = time.monotonic() + SETTLE_TIMEOUT_S
        places = asyncio.Semaphore(SETTLED_AT_ONCE)

        async def settle_one(trader: Trader, placement: Placement) -> None:
            async with places:
                while placement.is_unsettled:
                    await self._try_to_settle(trader, placement)
                    assert time.monotonic() < deadline, "the venue does not answer look-ups"

        async with asyncio.TaskGroup() as tasks:
            for trader in self._traders:
                for placement in list(trader.placements.values()):
                    if placement.is_unsettled:
                        tasks.create_task(settle_one(trader, placement))

    async def _try_to_settle(self, trader: Trader, placement: Placement) -> None:
        if time.monotonic() - placement.last_sent_at > self._deadline_s:
            if Claim.EXISTS not in placement.claims and self._rng.random() < 0.5:
                # Sent again under its name it is executed now, or it exists.
                await trader.send(placement)
                return
            found = await trader.look_up(placement.client_order_id)
            placement.never = found is False
            placement.found = found if isinstance(found, dict) else None
        if placement.is_unsettled:
            await asyncio.sleep(LOOK_UP_PAUSE_S)

    async def check(self) -> None:
        """Every order since the last check, and a sample of older ones, against what was told."""
        for trader in self._traders:
            await self._check_trader(trader)

    async def _check_trader(self, trader: Trader) -> None:
        checked = self._checked.get(trader.account_id, 0)
        known = [told for p in trader.placements.values() if (told := Told.of(p))]
        recent = [told for told in known if told.order["id"] > checked]
        older = [told for told in known if told.order["id"] <= checked]
        shown = {order["id"]: order for order in await trader.newest_orders(checked)}
        names = [order["client_order_id"] for order in shown.values()]
        if len(set(names)) != len(names):
            self.records.faults.append(f"a client order id was executed twice: {sorted(names)}")
        for told in recent:
            if (order := shown.get(told.order["id"])) is None:
                self.records.faults.append(f"lost: {told}")
            else:
                trader.compare(told, order)
        for told in self._rng.sample(older, min(SAMPLE, len(older))):
            found = await trader.look_up(told.client_order_id)
            if isinstance(found, dict):
                trader.compare(told, found)
            elif found is False:
                self.records.faults.append(f"lost: {told}")
        self._checked[trader.account_id] = max(shown, default=checked)


async def _sign_up(client: httpx.AsyncClient, username: str) -> str:
    body: dict[str, Any] = {
        "username": username,
        "email": f"{username}@example.com",
        "password": PASSWORD,
    }
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    while (response := await client.post("/api/v1/signup", json=body)).status_code in (429, 503):
        assert time.monotonic() < deadline, f"nobody can sign up: {response.text}"
        await asyncio.sleep(pause_of(response))
    response.raise_for_status()
    return str(response.json()["access"])
