"""One trader of the order flow: random orders and cancels through HTTP, every answer noted."""

import asyncio
import random
import time
from decimal import Decimal
from typing import Any, NamedTuple

import httpx

from tests.crash.records import CancelAll, Claim, Placement, Records

REQUEST_TIMEOUT_S = 30.0
READ_TIMEOUT_S = 120.0
"""How long a read is tried again where the venue says that it may succeed later."""
LONGEST_PAUSE_S = 5.0
"""A Retry-After is followed up to this; then the venue is simply asked again."""
DOWN_PAUSE_S = 0.1
"""Pause after an answer that says that the venue is away."""
MAX_OPEN = 40
"""Open orders of a lane, above which it mostly cancels."""
MARKETS = {"BTC-USDT": (65_000, "0.00"), "ETH-USDT": (3_200, "0.0")}
"""Symbol: middle price, and the beginning of a random quantity of a few hundred USDT."""
HALF_WIDTH = 8
"""Prices lie within so many whole units of the middle: narrow, so that much trades."""
CERTAIN_CODES = {"engine_unavailable", "database_unavailable"}
"""Codes of a 503 which promise that nothing was executed."""
TYPES = (
    ("limit", 60),
    ("market", 8),
    ("ioc", 10),
    ("fok", 8),
    ("stop_limit", 6),
    ("stop_market", 6),
    ("trailing_stop", 2),
)
LIVE = ("open", "partially_filled", "waiting")


class Reply(NamedTuple):
    claim: Claim
    body: dict[str, Any]


class Told(NamedTuple):
    """What the client knew of an order at some moment."""

    client_order_id: str
    order: dict[str, Any]
    is_canceled: bool

    @classmethod
    def of(cls, placement: Placement) -> "Told | None":
        order = placement.amendment or placement.order
        if order is None:
            return None
        return cls(placement.client_order_id, order, placement.cancellation is not None)


class Trader:
    """``lane`` runs until ``stop`` is set; several may run at once."""

    def __init__(self, url: str, access_token: str, records: Records) -> None:
        self._client = httpx.AsyncClient(
            base_url=url,
            timeout=REQUEST_TIMEOUT_S,
            headers={"Authorization": f"Bearer {access_token}"},
        )
        self._records = records
        self.account_id = 0
        self.placements: dict[str, Placement] = {}

    async def open(self) -> None:
        self.account_id = int((await self._read("/api/v1/me")).json()["id"])

    async def close(self) -> None:
        await self._client.aclose()

    # -- the flow -----------------------------------------------------------------------------

    async def lane(self, name: str, rng: random.Random, stop: asyncio.Event) -> None:
        mine: list[Placement] = []
        """Orders of this lane that may be open."""
        count = 0
        while not stop.is_set():
            action = rng.random()
            if mine and (action < 0.22 or len(mine) > MAX_OPEN):
                claim = await self._cancel(mine.pop(rng.randrange(len(mine))), rng)
            elif action < 0.225:
                claim = await self._cancel_all(rng)
                mine.clear()
            elif mine and action < 0.3:
                claim = await self._amend(rng.choice(mine), rng)
            elif action < 0.35:
                count += 1
                legs = self._noted(_random_oco(rng, f"{name}-{count}"))
                claim = await self._place_list(legs)
                mine += [leg for leg in legs if _is_live(leg)]
            else:
                count += 1
                (placement,) = self._noted([_random_order(rng, f"{name}-{count}")])
                claim = await self._place(placement, rng)
                if _is_live(placement):
                    mine.append(placement)
            if claim in (Claim.NOT_EXECUTED, Claim.UNKNOWN):
                await asyncio.sleep(DOWN_PAUSE_S)

    def _noted(self, orders: list[dict[str, Any]]) -> list[Placement]:
        placements = [
            Placement(self.account_id, fields["client_order_id"], fields) for fields in orders
        ]
        self.placements |= {placement.client_order_id: placement for placement in placements}
        self._records.placements += placements
        return placements

    async def _place_list(self, legs: list[Placement]) -> Claim:
        """An OCO. A leg whose outcome is unknown is later looked up, or sent again, on its own."""
        body = {"kind": "oco", "orders": [leg.fields for leg in legs]}
        reply = await self._request("POST", "/api/v1/orders/lists", json=body)
        for place, leg in enumerate(legs):
            leg.last_sent_at = time.monotonic()
            leg.claims.append(reply.claim)
            if reply.claim is Claim.ACKNOWLEDGED:
                leg.answer = reply.body["orders"][place]
        return reply.claim

    async def _amend(self, placement: Placement, rng: random.Random) -> Claim:
        assert placement.answer is not None
        middle, quantity = MARKETS[placement.answer["symbol"]]
        changes = {"quantity": f"{quantity}{rng.randint(1, 9)}"}
        if placement.answer["price"] is not None and rng.random() < 0.5:
            changes["price"] = f"{middle + rng.randint(-HALF_WIDTH, HALF_WIDTH)}.00"
        placement.amend_claims.append(Claim.UNKNOWN)
        path = f"/api/v1/orders/{placement.answer['id']}"
        reply = await self._request("PATCH", path, json=changes)
        placement.amend_claims[-1] = reply.claim
        if reply.claim is Claim.ACKNOWLEDGED:
            placement.amendment = reply.body
            await self._read_back(placement)
        return reply.claim

    async def _place(self, placement: Placement, rng: random.Random) -> Claim:
        claim = await self.send(placement)
        if claim is Claim.UNKNOWN and rng.random() < 0.5:
            # A client may send it again under the same name: it must not be executed twice.
            claim = await self.send(placement)
        if claim is Claim.ACKNOWLEDGED and rng.random() < 0.1:
            await self._read_back(placement)
        return claim

    async def send(self, placement: Placement) -> Claim:
        """Sends the order, perhaps not for the first time, and notes what is answered."""
        reply = await self._request("POST", "/api/v1/orders", json=placement.fields)
        placement.last_sent_at = time.monotonic()
        placement.claims.append(reply.claim)
        if reply.claim is Claim.ACKNOWLEDGED:
            if placement.answer is not None:
                self._fault(f"{placement.client_order_id} was acknowledged twice")
            placement.answer = reply.body
        return reply.claim

    async def _read_back(self, placement: Placement) -> None:
        """An acknowledged order is in the next read."""
        told = Told.of(placement)
        assert told is not None
        found = await self.look_up(placement.client_order_id)
        if found is False:
            self._fault(f"{placement.client_order_id} was acknowledged and is not in the next read")
        elif isinstance(found, dict):
            self.compare(told, found)

    async def _cancel(self, placement: Placement, rng: random.Random) -> Claim:
        assert placement.answer is not None
        by_name = rng.random() < 0.5
        name = f"client:{placement.client_order_id}" if by_name else placement.answer["id"]
        reply = await self._request("DELETE", f"/api/v1/orders/{name}")
        placement.cancel_claims.append(reply.claim)
        if reply.claim is Claim.ACKNOWLEDGED:
            placement.cancellation = reply.body
        return reply.claim

    async def _cancel_all(self, rng: random.Random) -> Claim:
        symbol = rng.choice(sorted(MARKETS))
        reply = await self._request("DELETE", f"/api/v1/orders?symbol={symbol}")
        order_ids = reply.body.get("canceled", [])
        self._records.cancel_alls.append(CancelAll(self.account_id, reply.claim, order_ids))
        return reply.claim

    # -- reading back -------------------------------------------------------------------------

    async def look_up(self, client_order_id: str) -> dict[str, Any] | bool | None:
        """The order by its client order id; False where there is none, None for no answer."""
        path = f"/api/v1/orders/client:{client_order_id}"
        try:
            response = await self._send("GET", path)
        except httpx.HTTPError:
            return None
        if response.status_code == 200:
            body: dict[str, Any] = response.json()
            return body
        if response.status_code == 404:
            return False
        if response.status_code != 503:
            self._fault(f"GET {path} answered {response.status_code}: {response.text[:300]}")
        return None

    async def newest_orders(self, down_to_id: int) -> list[dict[str, Any]]:
        """Own orders, newest first, down to an id."""
        orders: list[dict[str, Any]] = []
        params: dict[str, str] = {"limit": "500"}
        while True:
            page = (await self._read("/api/v1/orders", params=params)).json()
            orders += page["results"]
            if not page["next"] or orders[-1]["id"] <= down_to_id:
                return orders
            params["cursor"] = page["next"].rpartition("cursor=")[2]

    def compare(self, told: Told, shown: dict[str, Any]) -> None:
        """What is shown may only be later than what was known before it was asked for."""
        name, known = told.client_order_id, told.order
        fields = ["id", "client_order_id", "symbol", "side"]
        if not self.placements[name].amend_claims or shown["sequence"] == known["sequence"]:
            fields += ["quantity", "price"]
        for field in fields:
            if known[field] != shown[field]:
                self._fault(f"{name}: {field} was {known[field]} and is {shown[field]}")
        if Decimal(shown["filled_quantity"]) < Decimal(known["filled_quantity"]):
            self._fault(f"{name}: filled {known['filled_quantity']}, now {shown}")
        if shown["sequence"] < known["sequence"]:
            self._fault(f"{name}: acknowledged at {known['sequence']}, shown as of {shown}")
        if told.is_canceled and shown["status"] != "canceled":
            self._fault(f"{name}: its cancel was acknowledged, now {shown}")

    # -- HTTP ---------------------------------------------------------------------------------

    async def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Sends it, and again where it was throttled, which executes nothing."""
        deadline = time.monotonic() + READ_TIMEOUT_S
        while True:
            response = await self._client.request(method, path, **arguments)
            if response.status_code != 429 or time.monotonic() > deadline:
                return response
            await asyncio.sleep(pause_of(response))

    async def _read(self, path: str, **arguments: Any) -> httpx.Response:
        """The answer to a read that must succeed, maybe after a moment in which it cannot."""
        deadline = time.monotonic() + READ_TIMEOUT_S
        while True:
            try:
                response = await self._send("GET", path, **arguments)
                if response.status_code != 503 or time.monotonic() > deadline:
                    response.raise_for_status()
                    return response
                await asyncio.sleep(pause_of(response))
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(DOWN_PAUSE_S)

    async def _request(self, method: str, path: str, **arguments: Any) -> Reply:
        try:
            response = await self._send(method, path, **arguments)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            return Reply(Claim.NOT_EXECUTED, {})
        except httpx.HTTPError:
            return Reply(Claim.UNKNOWN, {})
        try:
            body = response.json()
            return Reply(self._claim(response, body), body)
        except (ValueError, KeyError, TypeError):
            self._fault(f"{method} {path}: {response.status_code} {response.text[:300]!r}")
            return Reply(Claim.UNKNOWN, {})

    def _claim(self, response: httpx.Response, body: dict[str, Any]) -> Claim:
        if response.status_code in (200, 201):
            return Claim.ACKNOWLEDGED
        error = body["error"]
        code, _, _ = error["code"], error["message"], error["request_id"]
        if code == "duplicate_client_order_id":
            return Claim.EXISTS
        if response.status_code == 503:
            if not response.headers.get("retry-after", "").isdigit():
                self._fault(f"503 without Retry-After: {response.text[:300]}")
            return Claim.NOT_EXECUTED if code in CERTAIN_CODES else Claim.UNKNOWN
        if response.status_code >= 500:
            self._fault(f"{response.request.method} {response.request.url}: {response.text[:300]}")
            return Claim.UNKNOWN
        return Claim.REFUSED

    def _fault(self, text: str) -> None:
        self._records.faults.append(text)


def pause_of(response: httpx.Response) -> float:
    """Seconds to wait before the same is asked again."""
    told = response.headers.get("retry-after", "")
    return min(float(told), LONGEST_PAUSE_S) if told.isdigit() else DOWN_PAUSE_S


def _random_order(rng: random.Random, client_order_id: str) -> dict[str, Any]:
    symbol = rng.choice(sorted(MARKETS))
    middle, quantity = MARKETS[symbol]
    kind = rng.choices([name for name, _ in TYPES], [weight for _, weight in TYPES])[0]
    fields = {
        "symbol": symbol,
        "side": rng.choice(("buy", "sell")),
        "type": kind,
        "quantity": f"{quantity}{rng.randint(1, 9)}",
        "client_order_id": client_order_id,
    }
    if kind in ("limit", "ioc", "fok", "stop_limit"):
        fields["price"] = f"{middle + rng.randint(-HALF_WIDTH, HALF_WIDTH)}.00"
    if kind in ("stop_limit", "stop_market"):
        step = rng.randint(1, HALF_WIDTH) * (1 if fields["side"] == "buy" else -1)
        fields["stop_price"] = f"{middle + step}.00"
    if kind == "trailing_stop":
        fields["trailing_distance"] = f"{rng.randint(1, HALF_WIDTH)}.00"
    return fields


def _random_oco(rng: random.Random, name: str) -> list[dict[str, Any]]:
    """Takes its profit with a limit order, or its loss with a stop."""
    symbol = rng.choice(sorted(MARKETS))
    middle, quantity = MARKETS[symbol]
    up = rng.choice((1, -1))
    common = {
        "symbol": symbol,
        "side": "sell" if up > 0 else "buy",
        "quantity": f"{quantity}{rng.randint(1, 9)}",
    }
    profit = f"{middle + up * rng.randint(0, HALF_WIDTH)}.00"
    stop = f"{middle - up * rng.randint(1, HALF_WIDTH)}.00"
    return [
        {**common, "type": "limit", "price": profit, "client_order_id": f"{name}-profit"},
        {**common, "type": "stop_market", "stop_price": stop, "client_order_id": f"{name}-stop"},
    ]


def _is_live(placement: Placement) -> bool:
    return placement.answer is not None and placement.answer["status"] in LIVE
