"""A venue for tests of order entry: the real engine core and journal rows, no queue in between.

A command is executed and journaled at once; ``project`` lets the tables catch up, so a test decides
how far they lag.
"""

from typing import Any, cast

from channels.db import database_sync_to_async

from market.instruments import cache as instrument_cache
from orderbook import journal
from orderbook.core.commands import Command, DefineAsset, DefineInstrument, Deposit, OpenEpoch
from orderbook.core.engine import Engine
from orderbook.errors import VenueError
from orderbook.gateway import tail
from orderbook.gateway.gateway import Gateway, set_gateway
from orderbook.gateway.protocol import Answer, Query
from orderbook.models import JournalBatch
from orderbook.projections import registered
from orderbook.worker.projector import Projector
from orderbook.worker.queries import answer_query

SYMBOL = "BTC-USDT"
OTHER_SYMBOL = "ETH-USDT"
ALICE, BOB = 1, 2
START_NS = 1_700_000_000_123_456_789


class Venue:
    """Stands in for the gateway. ``down`` is what it raises instead of an answer."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.sequence = 0
        self.time_ns = START_NS
        self.down: VenueError | None = None
        self.commands: list[Command] = []

    def execute(self, command: Command) -> Answer:
        if self.down is not None:
            raise self.down
        self.commands.append(command)
        self.sequence += 1
        self.time_ns += 1_000_000
        events = self.engine.apply(command, self.time_ns)
        entry = journal.Entry(self.sequence.to_bytes(16, "big"), command, events)
        JournalBatch.objects.create(
            first_sequence=self.sequence,
            last_sequence=self.sequence,
            epoch=1,
            time_ns=self.time_ns,
            payload=journal.encode_entries([entry]),
            checksum=b"",
        )
        return Answer(entry.command_id, self.sequence, self.time_ns, events)

    def submit_blocking(self, command: Command) -> Answer:
        return self.execute(command)

    async def submit(self, command: Command) -> Answer:
        answer: Answer = await database_sync_to_async(self.execute)(command)
        return answer

    def query_blocking(self, query: Query) -> Any:
        if self.down is not None:
            raise self.down
        return answer_query(self.engine, query, self.sequence, 1)

    def project(self) -> None:
        """Lets the tables catch up with the journal."""
        Projector(tuple(p for p in registered() if p.name in {"trading", "market"})).catch_up()


def opened() -> Venue:
    """A venue with two instruments and two funded accounts, made the process's gateway."""
    tail.forget()
    instrument_cache.forget()
    venue = Venue()
    venue.execute(OpenEpoch(1))
    for asset, decimals in (("BTC", 8), ("ETH", 8), ("USDT", 6)):
        venue.execute(DefineAsset(asset, decimals))
    for symbol in (SYMBOL, OTHER_SYMBOL):
        venue.execute(
            DefineInstrument(
                symbol=symbol,
                base=symbol[:3],
                quote="USDT",
                lot_minor=1_000,
                tick_lot_minor=1,
                maker_fee_ppm=1_000,
                taker_fee_ppm=2_000,
                min_notional_minor=5_000_000,
                max_quantity_lots=10**9,
            )
        )
    for account in (ALICE, BOB):
        for asset, amount in (("BTC", 10**12), ("ETH", 10**12), ("USDT", 10**15)):
            venue.execute(Deposit(account, asset, amount, ""))
    set_gateway(cast(Gateway, venue))
    return venue


def fields(**changes: Any) -> dict[str, Any]:
    """An order request: buy 1 BTC at 25000. A value of None leaves the field out."""
    request = {
        "symbol": SYMBOL,
        "side": "buy",
        "type": "limit",
        "price": "25000.0",
        "quantity": "1",
        **changes,
    }
    return {name: value for name, value in request.items() if value is not None}
