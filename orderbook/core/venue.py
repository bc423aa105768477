"""The venue's whole state, as data. The engine's parts share one ``Venue`` and change it."""

from collections import deque

from orderbook.core.accounts import Accounts
from orderbook.core.balances import Ledger
from orderbook.core.book import Book
from orderbook.core.order import Order, OrderList
from orderbook.core.timers import Timers
from orderbook.core.units import FEE_ACCOUNT_ID, MAX_ID


class Venue:
    __slots__ = (
        "accounts",
        "agenda",
        "assets",
        "books",
        "busted_trade_ids",
        "end_trade_id",
        "epoch",
        "expiring",
        "fee_account",
        "kill_switch",
        "ledger",
        "next_order_id",
        "next_trade_id",
        "registry",
        "time_ns",
        "timers",
        "touched_lists",
        "traded_books",
    )

    def __init__(self) -> None:
        self.epoch = 0
        self.time_ns = 0
        """Time of the last command."""
        self.next_order_id = 1
        self.next_trade_id = 1
        self.end_trade_id = MAX_ID
        """The first trade that no order of the running batch may make. ``MAX_ID`` where none runs
        and, within it, for what it set off."""
        self.assets: dict[str, int] = {}
        """Decimals of each asset."""
        self.books: dict[str, Book] = {}
        self.registry = Accounts()
        self.accounts = self.registry.by_id
        self.fee_account = self.accounts[FEE_ACCOUNT_ID]
        self.ledger = Ledger()
        self.timers = Timers()
        self.expiring: dict[int, Order] = {}
        """Orders that end at a known time, by id; each has an EXPIRY timer."""
        self.kill_switch = False
        """Engaged for the whole venue: nobody may place orders."""
        self.busted_trade_ids: set[int] = set()
        self.agenda: deque[Order | OrderList] = deque()
        """What follows from earlier commands and is yet to be done, in this order: waiting orders
        that were set off go to their books, brackets whose entry is done arm their exits."""
        self.traded_books: list[Book] = []
        """Books in which something may follow from the running command: those with waiting orders
        that traded, and those of touched lists. Empty between commands."""
        self.touched_lists: list[OrderList] = []
        """Lists of which an order traded or ended. Empty between commands."""
