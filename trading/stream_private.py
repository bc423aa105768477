"""The private channels of /ws/stream: ``orders``, ``fills`` and ``balances`` of one account.

A snapshot first, then a frame for each published batch that is about the account (or for several,
where something had to be read first), numbered by a contiguous ``seq``. Rows in frames are whole
states with the journal ``sequence`` (a fill is named by its trade and side), so what a snapshot
already contained may be applied again without harm.
"""

import asyncio
import logging
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from channels.db import database_sync_to_async
from msgspec import structs

from accounts.presentation import balance_rows
from accounts.selectors import Balance, asset_decimals, balances_of
from accounts.tokens import abearer
from market import instruments
from market.errors import AuthenticationNeeded
from market.stream_channels import Channel, Identity, Subscriber, encode_frame
from orderbook.core.events import BalanceChanged, OrderAccepted, Trade, TradeBusted
from orderbook.gateway.feed import Feed, get_feed
from orderbook.gateway.pagination import PageRequest
from orderbook.gateway.protocol import PublishedBatch
from orderbook.gateway.tail import accounts_of
from orderbook.projections import Recorded
from trading import selectors
from trading.order_state import (
    FillState,
    OrderState,
    busted_trade_ids,
    fills_of_account,
    fold,
    touched_ids,
)
from trading.resources import fill_resource, order_resource

logger = logging.getLogger(__name__)

MAX_SNAPSHOT_ORDERS = 5_000
"""Most open orders in a snapshot, the newest; ``complete`` says whether that was all."""
SNAPSHOT_FILLS = 50
MAX_PENDING = 50_000
"""Most events that wait while something is read from the database; beyond it, a new snapshot."""

Row = dict[str, Any]


class PrivateChannel(Channel):
    """An account's stream of one kind, shared by all its sockets in this process."""

    def __init__(self, name: str, account_id: int, closed: "Callable[[PrivateChannel], None]"):
        super().__init__(name)
        self.account_id = account_id
        self._closed = closed
        self._seq = 0
        self._pending: deque[Recorded] = deque()
        self._task: asyncio.Task[None] | None = None

    def detach(self, subscriber: Subscriber) -> None:
        super().detach(subscriber)
        if not self.subscribers:
            self.restart()
            self._closed(self)

    async def snapshot(self) -> str:
        seq = self._seq
        body = await database_sync_to_async(self.read)()
        return encode_frame({"channel": self.name, "type": "snapshot", "seq": seq, **body})

    def take(self, records: Sequence[Recorded]) -> None:
        """Publishes what the events did; at once unless something must be read first."""
        self._pending.extend(records)
        if self._task is not None:
            if len(self._pending) > MAX_PENDING:
                self.restart()
        elif self.lacks(self._pending):
            self._task = asyncio.create_task(self._catch_up(), name=f"stream-{self.name}")
        else:
            self._publish_pending()

    def restart(self) -> None:
        """Forgets everything and has every socket start from a new snapshot."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._pending.clear()
        self.forget()
        for subscriber in self.subscribers:
            subscriber.refresh()

    async def _catch_up(self) -> None:
        try:
            while self.lacks(self._pending):
                await database_sync_to_async(self.load)(list(self._pending))
        except Exception:
            logger.exception("a private stream starts anew")
            self._task = None
            self.restart()
            return
        self._task = None
        self._publish_pending()

    def _publish_pending(self) -> None:
        records = list(self._pending)
        self._pending.clear()
        rows = self.rows(records)
        if rows:
            self._seq += 1
            frame = {"channel": self.name, "type": "update", "seq": self._seq, self.name: rows}
            self.publish(encode_frame(frame))

    @abstractmethod
    def read(self) -> dict[str, object]:
        """The body of a snapshot, from the database."""

    @abstractmethod
    def lacks(self, records: Sequence[Recorded]) -> bool:
        """Whether ``rows`` needs what is only in the database."""

    @abstractmethod
    def load(self, records: Sequence[Recorded]) -> None:
        """Reads what ``rows`` needs; afterwards ``lacks`` is false for these records."""

    @abstractmethod
    def rows(self, records: Sequence[Recorded]) -> list[Row]:
        """What the events did, oldest first."""

    @abstractmethod
    def forget(self) -> None:
        """Drops what was loaded."""


def _symbols(records: Sequence[Recorded]) -> set[str]:
    """Of the orders and trades that the events are about."""
    found = {
        record.event.trade.symbol for record in records if isinstance(record.event, TradeBusted)
    }
    return found | {
        record.event.symbol  # type: ignore[union-attr]
        for record in records
        if touched_ids((record,))
    }


def _lacks_instrument(records: Sequence[Recorded]) -> bool:
    return any(instruments.cached(symbol) is None for symbol in _symbols(records))


class OrdersChannel(PrivateChannel):
    """Open orders, then every change of an order as its whole new state."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._states: dict[int, OrderState] = {}
        """Open orders that events were about since the channel was opened."""

    def read(self) -> dict[str, object]:
        orders = selectors.open_orders(self.account_id, limit=MAX_SNAPSHOT_ORDERS + 1)
        rows = [
            order_resource(order, instruments.lookup(order.symbol))
            for order in orders[MAX_SNAPSHOT_ORDERS - 1 :: -1]
        ]
        return {"orders": rows, "complete": len(orders) <= MAX_SNAPSHOT_ORDERS}

    def lacks(self, records: Sequence[Recorded]) -> bool:
        return bool(self._missing(records)) or _lacks_instrument(records)

    def load(self, records: Sequence[Recorded]) -> None:
        missing = self._missing(records)
        loaded = selectors.current_orders(self.account_id, missing)
        if len(loaded) < len(missing):
            raise LookupError(f"orders {sorted(missing - loaded.keys())} are not in the journal")
        self._states |= loaded
        for symbol in _symbols(records):
            instruments.lookup(symbol)

    def rows(self, records: Sequence[Recorded]) -> list[Row]:
        """Every order that the events are about; one that was loaded may be further already."""
        fold(self._states, records, wanted=self._is_own)
        accepted, others = self._ids(records)
        states = sorted(
            (self._states[order_id] for order_id in accepted | others),
            key=lambda state: (state.updated_sequence, state.id),
        )
        for state in states:
            if not state.is_open:
                del self._states[state.id]
        return [order_resource(state, instruments.lookup(state.symbol)) for state in states]

    def forget(self) -> None:
        self._states.clear()

    def _is_own(self, event: OrderAccepted) -> bool:
        return event.account_id == self.account_id

    def _missing(self, records: Sequence[Recorded]) -> set[int]:
        """Own orders that the events are about and that neither they nor the channel know."""
        accepted, others = self._ids(records)
        return others - accepted - self._states.keys()

    def _ids(self, records: Sequence[Recorded]) -> tuple[set[int], set[int]]:
        """Own orders that were accepted, and own orders to which something happened."""
        accepted: set[int] = set()
        others: set[int] = set()
        for record in records:
            event = record.event
            if isinstance(event, Trade):
                if event.maker_account_id == self.account_id:
                    others.add(event.maker_order_id)
                if event.taker_account_id == self.account_id:
                    others.add(event.taker_order_id)
            elif isinstance(event, OrderAccepted):
                accepted.add(event.order_id)
            else:
                others |= touched_ids((record,))
        return accepted, others


class FillsChannel(PrivateChannel):
    """The newest fills, then each further one; again, and flagged, where the venue undid it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._busted: dict[int, list[FillState]] = {}
        """Own sides of busted trades, by trade, on their way to the sockets."""

    def read(self) -> dict[str, object]:
        fills = selectors.fills_of(self.account_id, PageRequest(SNAPSHOT_FILLS)).results
        rows = [fill_resource(fill, instruments.lookup(fill.symbol)) for fill in reversed(fills)]
        return {"fills": rows}

    def lacks(self, records: Sequence[Recorded]) -> bool:
        return not busted_trade_ids(records) <= self._busted.keys() or _lacks_instrument(records)

    def load(self, records: Sequence[Recorded]) -> None:
        busted = busted_trade_ids(records)
        fills = selectors.fills_of_trades(self.account_id, busted)
        self._busted = {trade_id: [] for trade_id in busted}
        for fill in fills:
            self._busted[fill.trade_id].append(structs.replace(fill, is_busted=True))
        for symbol in _symbols(records):
            instruments.lookup(symbol)

    def rows(self, records: Sequence[Recorded]) -> list[Row]:
        fills = fills_of_account(records, self.account_id)
        for trade_id in sorted(busted_trade_ids(records)):
            fills += self._busted.pop(trade_id)
        return [fill_resource(fill, instruments.lookup(fill.symbol)) for fill in fills]

    def forget(self) -> None:
        self._busted.clear()


def _numbered(balances: list[Balance]) -> list[Row]:
    rows = zip(balance_rows(balances), balances, strict=True)
    return [{**row, "sequence": balance.sequence} for row, balance in rows]


class BalancesChannel(PrivateChannel):
    """Every balance, then those that changed, with their values after the batch."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._decimals: dict[str, int] = {}

    def read(self) -> dict[str, object]:
        return {"balances": _numbered(balances_of(self.account_id))}

    def lacks(self, records: Sequence[Recorded]) -> bool:
        return any(asset not in self._decimals for asset in self._changed(records))

    def load(self, records: Sequence[Recorded]) -> None:
        self._decimals = asset_decimals(list(self._changed(records)))

    def rows(self, records: Sequence[Recorded]) -> list[Row]:
        return _numbered(
            [
                Balance(
                    asset, self._decimals[asset], event.available_minor, event.held_minor, sequence
                )
                for asset, (sequence, event) in self._changed(records).items()
            ]
        )

    def forget(self) -> None:
        self._decimals = {}

    def _changed(self, records: Sequence[Recorded]) -> dict[str, tuple[int, BalanceChanged]]:
        """The last change of each asset, with its sequence."""
        return {
            record.event.asset: (record.sequence, record.event)
            for record in records
            if isinstance(record.event, BalanceChanged)
            and record.event.account_id == self.account_id
        }


CHANNELS: dict[str, type[PrivateChannel]] = {
    "orders": OrdersChannel,
    "fills": FillsChannel,
    "balances": BalancesChannel,
}


class PrivateChannels:
    """Provider of the private channels, and the one listener to the feed for all of them."""

    def __init__(self) -> None:
        self._accounts: dict[int, dict[str, PrivateChannel]] = {}
        self._feed: Feed | None = None

    def matches(self, name: str) -> bool:
        return name in CHANNELS

    async def open(self, name: str, identity: Identity | None) -> Channel:
        if identity is None:
            raise AuthenticationNeeded
        if self._feed is None:
            self._feed = get_feed()
            self._feed.subscribe(self)
        channels = self._accounts.setdefault(identity.account_id, {})
        if name not in channels:
            channels[name] = CHANNELS[name](name, identity.account_id, self._close)
        return channels[name]

    def _close(self, channel: PrivateChannel) -> None:
        channels = self._accounts.get(channel.account_id, {})
        if channels.get(channel.name) is channel:
            del channels[channel.name]
        if not channels:
            self._accounts.pop(channel.account_id, None)
        if not self._accounts and self._feed is not None:
            self._feed.unsubscribe(self)
            self._feed = None

    def on_batch(self, batch: PublishedBatch) -> None:
        for account_id, records in self._by_account(batch).items():
            for channel in list(self._accounts[account_id].values()):
                channel.take(records)

    def on_gap(self) -> None:
        for channels in list(self._accounts.values()):
            for channel in list(channels.values()):
                channel.restart()

    def _by_account(self, batch: PublishedBatch) -> dict[int, list[Recorded]]:
        """The batch's events for each account that has a channel open."""
        found: dict[int, list[Recorded]] = {}
        for sequence, time_ns, events in batch.entries:
            for index, event in enumerate(events):
                record = Recorded(sequence, index, time_ns, event)
                for account_id in accounts_of(record) & self._accounts.keys():
                    found.setdefault(account_id, []).append(record)
        return found


async def authenticate(token: str) -> Identity:
    """The socket's authenticator: an access token, as in the REST interface."""
    bearer = await abearer(f"Bearer {token}")
    return Identity(bearer.user_id, int(bearer.expires_at))
