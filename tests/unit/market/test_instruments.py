"""Finding instruments: from memory, fresh after a change, and never a database error."""

import pytest

from market import instruments
from market.errors import UnknownSymbol
from market.projections import MarketProjection
from orderbook.core.events import PhaseChanged
from orderbook.core.units import InstrumentStatus, PhaseReason
from orderbook.models import ProjectionCursor
from tests.unit.market.builders import SYMBOL, T0, instrument, journal, recorded, trade

databases = pytest.mark.django_db(databases=["default", "journal"])
HALTED = instrument(status=InstrumentStatus.HALTED)
HALT = PhaseChanged(SYMBOL, InstrumentStatus.HALTED, PhaseReason.OPERATOR)


def write(sequence: int, *events) -> None:
    MarketProjection().apply(recorded(sequence, T0, *events))
    ProjectionCursor.objects.update_or_create(name="market", defaults={"sequence": sequence})


@databases
def test_an_instrument_is_found_in_the_table():
    write(1, instrument())
    assert instruments.lookup(SYMBOL) == instrument()
    assert instruments.cached(SYMBOL) == instrument()


@databases
def test_the_journals_tail_is_newer_than_the_table():
    journal(1, T0, instrument())
    journal(2, T0, HALTED, instrument("ETH-USDT"))
    write(1, instrument())
    assert instruments.lookup(SYMBOL) == HALTED
    assert [one.symbol for one in instruments.all_instruments()] == [SYMBOL, "ETH-USDT"]


@databases
def test_a_change_of_phase_is_seen_in_the_journals_tail_and_in_the_table():
    journal(1, T0, instrument())
    journal(2, T0, HALT, PhaseChanged("NO-SUCH", HALT.status, HALT.reason))
    write(1, instrument())
    assert instruments.lookup(SYMBOL) == HALTED
    instruments.cache.forget()
    write(2, HALT)
    assert instruments.lookup(SYMBOL) == HALTED


def test_a_change_of_phase_is_heard_where_the_instrument_is_known():
    assert instruments.cache.hear(HALT, 1) is None
    assert instruments.cache.hear(instrument(), 2) == instrument()
    assert instruments.cache.hear(HALT, 3) == HALTED
    assert instruments.cached(SYMBOL) == HALTED
    assert instruments.cache.hear(trade(1, 100, 1), 4) is None


@databases
def test_nothing_is_read_while_the_feed_keeps_it_fresh(django_assert_num_queries):
    instruments.cache.hear_live(True)
    instruments.cache.remember(instrument(), 5)
    with django_assert_num_queries(0):
        assert instruments.lookup(SYMBOL) == instrument()


@databases
def test_without_a_feed_a_change_is_seen_after_a_moment(monkeypatch):
    monkeypatch.setattr(instruments, "STALE_AFTER_S", 3600.0)
    write(1, instrument())
    instruments.lookup(SYMBOL)
    write(2, HALTED)
    assert instruments.lookup(SYMBOL) == instrument()
    monkeypatch.setattr(instruments, "STALE_AFTER_S", 0.0)
    monkeypatch.setattr(instruments, "MISS_RELOAD_S", 0.0)
    assert instruments.lookup(SYMBOL) == HALTED


def test_an_older_definition_never_replaces_a_newer_one():
    instruments.cache.remember(HALTED, 9)
    instruments.cache.remember(instrument(), 4)
    assert instruments.cached(SYMBOL) == HALTED


@databases
def test_a_miss_looks_again_only_after_a_while(django_assert_num_queries, monkeypatch):
    monkeypatch.setattr(instruments, "MISS_RELOAD_S", 3600.0)
    with pytest.raises(UnknownSymbol):
        instruments.lookup("NO-SUCH")
    with django_assert_num_queries(0), pytest.raises(UnknownSymbol):
        instruments.lookup("NO-SUCH")


@pytest.mark.parametrize("symbol", ["", "\x00", "BTC-USDT\x00", "btc", "A" * 25, "É", "A B", "%"])
def test_what_cannot_be_a_symbol_is_refused_without_a_database(symbol):
    with pytest.raises(UnknownSymbol) as caught:
        instruments.lookup(symbol)
    assert (caught.value.code, caught.value.field) == ("unknown_symbol", "symbol")


async def test_async_code_gets_what_is_known_without_a_thread():
    instruments.cache.remember(instrument(), 1)
    assert await instruments.alookup(SYMBOL) == instrument()
