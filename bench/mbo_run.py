"""Sends planned steps to a venue, as many at a time as the connections and the plan's order allow.

What is not answered clearly is sent again: the client order id makes that safe, for the venue takes
each of them once.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from bench.load import (
    Address,
    Connection,
    Latencies,
    connect,
    error_code,
    request_head,
    with_body,
    without_body,
)
from bench.mbo_file import PRICE_UNITS
from bench.mbo_plan import ASK, BID, Kind, Step

WINDOW = 20_000
"""A step begins only when every step so far before it has been finished."""
MAX_TRIES = 20
RETRY_S = 0.25
MAX_SHOWN = 10
"""Failures and trades that the result names one by one."""
_DONE = {Kind.PLACE: 201, Kind.CANCEL: 200, Kind.CANCEL_ALL: 200}
_DONE_BEFORE = {
    Kind.PLACE: "duplicate_client_order_id",
    Kind.CANCEL: "order_not_open",
    Kind.CANCEL_ALL: "",
}
"""What a repeated request is told when the first one was executed after all."""
_TRY_AGAIN = (429, 503)
_NO_FILLS = b'"fills":[]'


class Requests:
    """The bytes of each step: bids and asks are orders of two accounts."""

    def __init__(self, address: Address, symbol: str, tokens: Mapping[str, str]) -> None:
        self._symbol = symbol
        self._post: dict[str, bytes] = {}
        self._delete: dict[str, bytes] = {}
        self._delete_all: dict[str, bytes] = {}
        for side in (BID, ASK):
            headers = {"authorization": f"Bearer {tokens[side]}"}
            self._post[side] = request_head(address, "POST", "/api/v1/orders", headers)
            path = "/api/v1/orders/client:{id}"
            self._delete[side] = without_body(request_head(address, "DELETE", path, headers))
            path = f"/api/v1/orders?symbol={symbol}"
            self._delete_all[side] = without_body(request_head(address, "DELETE", path, headers))

    def of(self, step: Step) -> bytes:
        if step.kind is Kind.CANCEL:
            return self._delete[step.side].replace(b"{id}", step.client_order_id.encode(), 1)
        if step.kind is Kind.CANCEL_ALL:
            return self._delete_all[step.side]
        body = (
            f'{{"symbol":"{self._symbol}","side":"{"buy" if step.side == BID else "sell"}",'
            f'"type":"limit","price":"{decimal_text(step.price)}","quantity":"{step.size}",'
            f'"time_in_force":"GTC","client_order_id":"{step.client_order_id}"}}'
        )
        return with_body(self._post[step.side], body.encode())


def decimal_text(price: int) -> str:
    whole, rest = divmod(price, PRICE_UNITS)
    return f"{whole}.{rest:09}".rstrip("0").rstrip(".")


class Failure(NamedTuple):
    step: Step
    code: str


class Replay:
    """One run. ``due_s`` says when a step may begin, in seconds after the start."""

    def __init__(
        self,
        address: Address,
        requests: Requests,
        steps: Iterator[Step],
        due_s: Callable[[Step], float],
    ) -> None:
        self._address = address
        self._requests = requests
        self._steps = steps
        self._due_s = due_s
        self._held: Step | None = None
        self._was_alone = False
        self._dependents: dict[int, list[Step]] = {}
        """Unfinished steps, oldest first, each with those that wait for it."""
        self._missing: dict[int, int] = {}
        """How many unfinished steps a waiting one still waits for."""
        self._ready: deque[Step] = deque()
        self._idle: list[Connection] = []
        self._on: dict[Connection, Step] = {}
        self._tries: Counter[int] = Counter()
        self._all: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._finished = asyncio.Event()
        self._broken: OSError | TimeoutError | None = None
        self._started_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.sent: Counter[Kind] = Counter()
        self.latencies: dict[Kind, Latencies] = {kind: Latencies() for kind in Kind}
        self.done_count = 0
        self.retries = 0
        self.errors: Counter[str] = Counter()
        self.failures: list[Failure] = []
        self.traded_count = 0
        self.traded: list[Step] = []
        """The first orders that traded at once: a recording's own book is never like that."""

    async def run(self, connection_count: int) -> float:
        """Seconds that it took. Raises OSError or TimeoutError where the venue is gone."""
        for _ in range(connection_count):
            await self._open_connection()
        loop = asyncio.get_running_loop()
        self._started_at = loop.time()
        self._admit()
        self._dispatch()
        await self._finished.wait()
        seconds = loop.time() - self._started_at
        for connection in self._all:
            connection.close()
        if self._broken:
            raise self._broken
        return seconds

    # -- order --------------------------------------------------------------------------------

    def _admit(self) -> None:
        """Takes steps from the plan until one may not begin yet."""
        while True:
            step = self._held or next(self._steps, None)
            self._held = step
            if step is None:
                if not self._dependents:
                    self._finished.set()
                return
            if not self._may_begin(step):
                return
            self._held = None
            self._was_alone = step.kind is Kind.CANCEL_ALL
            missing = [number for number in step.after if number in self._dependents]
            for number in missing:
                self._dependents[number].append(step)
            self._dependents[step.number] = []
            if missing:
                self._missing[step.number] = len(missing)
            else:
                self._ready.append(step)

    def _may_begin(self, step: Step) -> bool:
        loop = asyncio.get_running_loop()
        early_s = self._due_s(step) - (loop.time() - self._started_at)
        if early_s > 0:
            if self._timer is None:
                self._timer = loop.call_later(early_s, self._on_time)
            return False
        if not self._dependents:
            return True
        alone = self._was_alone or step.kind is Kind.CANCEL_ALL
        return not alone and step.number - next(iter(self._dependents)) < WINDOW

    def _on_time(self) -> None:
        self._timer = None
        self._go_on()

    def _go_on(self) -> None:
        self._admit()
        self._dispatch()

    def _dispatch(self) -> None:
        while self._ready and self._idle:
            connection, step = self._idle.pop(), self._ready.popleft()
            self._on[connection] = step
            self.sent[step.kind] += 1
            self._tries[step.number] += 1
            connection.send(self._requests.of(step))

    def _finish(self, step: Step) -> None:
        self.done_count += 1
        del self._tries[step.number]
        for dependent in self._dependents.pop(step.number):
            self._missing[dependent.number] -= 1
            if not self._missing[dependent.number]:
                del self._missing[dependent.number]
                self._ready.append(dependent)

    # -- answers ------------------------------------------------------------------------------

    def _answered(self, connection: Connection, status: int, body: bytes) -> None:
        step = self._on.pop(connection)
        self._idle.append(connection)
        self.latencies[step.kind].add(connection.latency_s)
        if status == _DONE[step.kind]:
            if step.kind is Kind.PLACE and _NO_FILLS not in body:
                self.traded_count += 1
                self.traded += [step] if len(self.traded) < MAX_SHOWN else []
            self._finish(step)
        else:
            self._refused(step, status, error_code(body))
        self._go_on()

    def _refused(self, step: Step, status: int, code: str) -> None:
        if status in _TRY_AGAIN and self._tries[step.number] < MAX_TRIES:
            self._try_again(step)
            return
        if not (self._tries[step.number] > 1 and code == _DONE_BEFORE[step.kind]):
            self.errors[code] += 1
            if len(self.failures) < MAX_SHOWN:
                self.failures.append(Failure(step, code))
        self._finish(step)

    def _try_again(self, step: Step) -> None:
        self.retries += 1

        def again() -> None:
            self._ready.append(step)
            self._dispatch()

        asyncio.get_running_loop().call_later(RETRY_S, again)

    def _lost(self, connection: Connection) -> None:
        """The request that was under way is sent again, on whichever connection is free."""
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        step = self._on.pop(connection, None)
        if step is not None:
            self._try_again(step)
        task = asyncio.create_task(self._reconnect())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reconnect(self) -> None:
        for _ in range(MAX_TRIES):
            await asyncio.sleep(RETRY_S)
            try:
                await self._open_connection()
            except (OSError, TimeoutError) as error:
                last = error
                continue
            self._dispatch()
            return
        self._broken = last
        self._finished.set()

    async def _open_connection(self) -> None:
        connection = await connect(self._address, self._answered, self._lost)
        self._all.add(connection)
        self._idle.append(connection)
