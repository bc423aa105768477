"""What the journal and the tables say, against what clients were told.

Runs in a process of its own with the settings of the venue that is audited:
``python -m tests.crash.audit RECORDS.json [--live]`` prints one JSON object; its ``faults`` are
empty where every promise held. ``--live`` also asks a running full-mode engine for its state hash.
"""

import io
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import django
import msgspec

from tests.crash.records import CancelAll, Claim, Placement, Records

MAX_FAULTS = 50
"""Faults that are reported; more of them say nothing new."""
MAX_DIFFERENCES = 5
"""Differing rows that are shown of one table."""


def main() -> None:
    django.setup()
    records = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Records)
    print(json.dumps(Audit(records).run(live="--live" in sys.argv)))


class Audit:
    def __init__(self, records: Records) -> None:
        self._records = records
        self.faults: list[str] = list(records.faults)
        self._accepted: dict[tuple[int, str], list[int]] = defaultdict(list)
        """Order ids by account and client order id."""
        self._placed: dict[int, tuple[int, list[Any]]] = {}
        """By order id: sequence and events of the command that placed it."""
        self._canceled: dict[int, tuple[int, Any]] = {}
        self._amended: dict[int, list[tuple[int, Any]]] = defaultdict(list)
        """By order id and sequence."""
        self._supply: dict[str, int] = defaultdict(int)
        self._instruments: dict[str, Any] = {}

    def run(self, *, live: bool) -> dict[str, Any]:
        report = self._verify_journal()
        self._read_journal()
        for placement in self._records.placements:
            self._check_placement(placement)
            self._check_cancel(placement)
            self._check_amend(placement)
        for cancel_all in self._records.cancel_alls:
            self._check_cancel_all(cancel_all)
        self._check_recovery(report["state_hash"])
        if live:
            self._check_live_state(report["state_hash"])
        rows = self._check_tables()
        self._check_supply()
        return {
            "faults": self.faults[:MAX_FAULTS],
            "orders_in_journal": len(self._placed),
            "rows_compared": rows,
            **report,
        }

    # -- the journal and the state (I3, I4, I5 and, in the replay, I1, I2, I6) ------------------

    def _verify_journal(self) -> dict[str, Any]:
        from django.core.management import call_command

        output = io.StringIO()
        try:
            call_command("verify_journal", "--json", "--check-every", "100", stdout=output)
        except SystemExit:
            self.faults.append(f"verify_journal: {output.getvalue()}")
        report: dict[str, Any] = json.loads(output.getvalue())
        return report

    def _check_recovery(self, replayed_hash: str) -> None:
        """The newest snapshot, which a live engine wrote, and the rows after it."""
        from orderbook.core.snapshot import state_hash
        from orderbook.worker.recovery import Replica

        replica = Replica()
        replica.recover()
        if (found := state_hash(replica.engine)) != replayed_hash:
            self.faults.append(f"recovered state {found}, full replay {replayed_hash}")

    def _check_live_state(self, replayed_hash: str) -> None:
        from orderbook.gateway.gateway import get_gateway
        from orderbook.gateway.protocol import GetStateHash

        found = get_gateway().query_blocking(GetStateHash(), timeout_s=60.0)
        if found.state_hash != replayed_hash:  # type: ignore[union-attr]
            self.faults.append(f"live state {found}, full replay {replayed_hash}")

    def _read_journal(self) -> None:
        from orderbook import journal
        from orderbook.core.events import (
            Deposited,
            InstrumentDefined,
            OrderAccepted,
            OrderAmended,
            OrderCanceled,
            Withdrawn,
        )

        after = 0
        while batches := journal.read_batches(after):
            after = batches[-1].last_sequence
            for batch in batches:
                for sequence, entry in enumerate(batch.entries, batch.first_sequence):
                    for event in entry.events:
                        match event:
                            case OrderAccepted():
                                key = (event.account_id, event.client_order_id)
                                self._accepted[key].append(event.order_id)
                                self._placed[event.order_id] = (sequence, entry.events)
                            case OrderAmended():
                                self._amended[event.order_id].append((sequence, event))
                            case OrderCanceled():
                                self._canceled[event.order_id] = (sequence, event)
                            case Deposited():
                                self._supply[event.asset] += event.amount_minor
                            case Withdrawn():
                                self._supply[event.asset] -= event.amount_minor
                            case InstrumentDefined():
                                self._instruments[event.symbol] = event

    # -- what clients were told ---------------------------------------------------------------

    def _check_placement(self, placement: Placement) -> None:
        name = placement.client_order_id
        order_ids = self._accepted.get((placement.account_id, name), [])
        claims = placement.claims
        if len(order_ids) > 1:
            self.faults.append(f"{name} was executed {len(order_ids)} times")
        told = placement.order
        if told is not None or Claim.EXISTS in claims:
            if not order_ids:
                self.faults.append(f"{name} was acknowledged and is not in the journal: {told}")
        elif order_ids and (placement.never or Claim.UNKNOWN not in claims):
            self.faults.append(f"{name} was executed, and the client was told: {placement}")
        if told is not None and order_ids and told["id"] != order_ids[0]:
            self.faults.append(f"{name} was acknowledged as {told['id']}, journaled as {order_ids}")
        if placement.answer is not None and order_ids:
            self._check_answer(placement.answer, order_ids[0])

    def _check_answer(self, answer: dict[str, Any], order_id: int) -> None:
        """The acknowledgement says exactly what its command did."""
        from orderbook.core.events import OrderAccepted, Trade
        from orderbook.gateway.decimals import lots_to_text, ticks_to_text

        sequence, events = self._placed[order_id]
        accepted = next(
            event
            for event in events
            if isinstance(event, OrderAccepted) and event.order_id == order_id
        )
        instrument = self._instruments[accepted.symbol]
        # Stops that the order set off trade among themselves, or take what it left in the book.
        own = [
            event
            for event in events
            if isinstance(event, Trade) and order_id in (event.maker_order_id, event.taker_order_id)
        ]
        trades = [trade for trade in own if trade.taker_order_id == order_id]
        filled_lots = sum(trade.quantity_lots for trade in own)
        expected = {
            "sequence": sequence,
            "quantity": lots_to_text(instrument, accepted.quantity_lots),
            "filled_quantity": lots_to_text(instrument, filled_lots),
            "fills": [
                {
                    "trade_id": trade.trade_id,
                    "price": ticks_to_text(instrument, trade.price_ticks),
                    "quantity": lots_to_text(instrument, trade.quantity_lots),
                }
                for trade in trades
            ],
        }
        told: dict[str, Any] = {field: answer[field] for field in expected}
        told["fills"] = [
            {field: fill[field] for field in ("trade_id", "price", "quantity")}
            for fill in answer["fills"]
        ]
        if told != expected:
            self.faults.append(f"acknowledged {told}, journaled {expected}")

    def _check_amend(self, placement: Placement) -> None:
        from orderbook.gateway.decimals import lots_to_text, ticks_to_text

        told = placement.amendment
        if told is None:
            return
        # The order may have traded on between the amend and the reading that the answer shows.
        amends = [one for at, one in self._amended[told["id"]] if at <= told["sequence"]]
        if not amends:
            self.faults.append(f"an amend was acknowledged and is not in the journal: {told}")
            return
        event = amends[-1]
        instrument = self._instruments[event.symbol]
        price = ticks_to_text(instrument, event.price_ticks) if event.price_ticks else None
        if (lots_to_text(instrument, event.quantity_lots), price) != (
            told["quantity"],
            told["price"],
        ):
            self.faults.append(f"acknowledged amend {told}, journaled {event}")

    def _check_cancel(self, placement: Placement) -> None:
        told = placement.cancellation
        if told is None:
            return
        sequence, event = self._canceled.get(told["id"], (0, None))
        if sequence != told["sequence"] or event.reason.value != "user":
            self.faults.append(f"acknowledged cancel {told}, journaled {sequence} {event}")

    def _check_cancel_all(self, cancel_all: CancelAll) -> None:
        for order_id in cancel_all.order_ids:
            if order_id not in self._canceled:
                self.faults.append(f"order {order_id} was acknowledged as canceled and is not")

    # -- the tables (I9, I1) --------------------------------------------------------------------

    def _check_tables(self) -> int:
        """Tables as the projector left them, against tables made anew; gives the rows compared."""
        from django.core.management import call_command

        from orderbook.worker.projector import Projector

        Projector().catch_up()
        before = _tables()
        call_command("rebuild_projections", "--json", stdout=io.StringIO())
        after = _tables()
        for name, rows in before.items():
            for difference in sorted(rows ^ after[name])[:MAX_DIFFERENCES]:
                side = "kept" if difference in rows else "rebuilt"
                self.faults.append(f"{name}: only in the {side} table: {difference}")
        return sum(map(len, after.values()))

    def _check_supply(self) -> None:
        """Deposits less withdrawals are what all accounts have, the fee account included."""
        from accounts.models import EXTERNAL_ACCOUNT_ID, LedgerEntry, Wallet

        wallets = Wallet.objects.values_list("asset", "available_minor", "held_minor")
        ledger = LedgerEntry.objects.exclude(account_id=EXTERNAL_ACCOUNT_ID)
        for name, rows in (
            ("wallets", wallets),
            ("ledger", ledger.values_list("asset", "amount_minor")),
        ):
            total: dict[str, int] = defaultdict(int)
            for asset, *amounts in rows:
                total[asset] += sum(amounts)
            for asset in {*self._supply, *total}:
                if total[asset] != self._supply[asset]:
                    self.faults.append(
                        f"{name}: {total[asset]} {asset}, deposits less withdrawals "
                        f"{self._supply[asset]}"
                    )
        self.faults += [f"negative balance: {row}" for row in wallets if min(row[1:]) < 0]


def _tables() -> dict[str, set[str]]:
    """Every row of every table that a projection writes, as text, without keys that are counted."""
    from django.db.models import AutoField, BigAutoField

    from accounts.models import Asset, LedgerEntry, Notification, Wallet
    from market.models import Candle, Instrument, PublicTrade
    from trading.models import Fill, Order

    tables: dict[str, set[str]] = {}
    for model in (
        Asset,
        Wallet,
        LedgerEntry,
        Notification,
        Instrument,
        PublicTrade,
        Candle,
        Order,
        Fill,
    ):
        fields = [
            field.attname
            for field in model._meta.concrete_fields
            if not isinstance(field, AutoField | BigAutoField)
        ]
        rows = [str(row) for row in model._default_manager.values_list(*fields)]
        tables[model.__name__] = set(rows)
        if len(tables[model.__name__]) != len(rows):
            tables[model.__name__].add(f"({len(rows) - len(tables[model.__name__])} rows twice)")
    return tables


if __name__ == "__main__":
    main()
