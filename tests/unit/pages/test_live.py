import asyncio
from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY

from market import live
from market.live import Channel, FragmentConsumer, LatestSlot
from orderbook.gateway.feed import Feed, set_feed

WAIT_S = 60.0


@pytest.fixture(autouse=True)
def feed() -> Iterator[Feed]:
    feed = Feed()
    feed.live = True
    set_feed(feed)
    yield feed
    set_feed(None)


class Counter(Channel):
    """Shows a number, and counts how often it was rendered."""

    interval_s = 0.01

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.renderings = 0
        self.listening = False
        self.failures = 0

    def opened(self) -> None:
        self.listening = True

    def closed(self) -> None:
        self.listening = False

    async def render(self) -> dict[str, str]:
        self.renderings += 1
        if self.failures:
            self.failures -= 1
            raise RuntimeError("broken")
        return {"number": f"<b>{self.number}</b>"}

    def set(self, number: int) -> None:
        self.number = number
        self.mark_changed()


async def until(slot: LatestSlot, html: str) -> list[str]:
    """Everything that the slot was given up to ``html``."""
    seen: list[str] = []
    async with asyncio.timeout(WAIT_S):
        while html not in seen:
            seen += await slot.take()
    return seen


async def test_a_slot_keeps_only_the_newest_state_of_a_panel() -> None:
    slot = LatestSlot()
    for number in range(1_000):
        slot.offer("ladder", f"<b>{number}</b>")
    slot.offer("trades", "<i>1</i>")
    assert await slot.take() == ["<b>999</b>", "<i>1</i>"]


async def test_one_rendering_serves_every_watcher() -> None:
    channel = Counter()
    slots = [LatestSlot() for _ in range(50)]
    for slot in slots:
        channel.add(slot)
    for slot in slots:
        await until(slot, "<b>0</b>")
    assert channel.renderings == 1
    for slot in slots:
        channel.remove(slot)


async def test_many_changes_between_two_frames_are_one_rendering() -> None:
    channel, slot = Counter(), LatestSlot()
    channel.add(slot)
    await until(slot, "<b>0</b>")
    for number in range(1, 501):
        channel.set(number)
    await until(slot, "<b>500</b>")
    assert channel.renderings == 2
    channel.remove(slot)


async def test_a_late_comer_gets_the_whole_state_at_once() -> None:
    channel, first, second = Counter(), LatestSlot(), LatestSlot()
    channel.add(first)
    await until(first, "<b>0</b>")
    channel.add(second)
    assert "<b>0</b>" in await second.take()
    assert channel.renderings == 1
    for slot in (first, second):
        channel.remove(slot)


async def test_nothing_runs_when_nobody_watches() -> None:
    channel, slot = Counter(), LatestSlot()
    channel.add(slot)
    await until(slot, "<b>0</b>")
    channel.remove(slot)
    assert not channel.listening
    channel.set(1)
    await asyncio.sleep(0)
    assert channel.renderings == 1
    channel.add(slot)
    await until(slot, "<b>1</b>")
    channel.remove(slot)


async def test_a_failed_rendering_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "RETRY_AFTER_FAILURE_S", 0.01)
    channel, slot = Counter(), LatestSlot()
    channel.failures = 2
    channel.add(slot)
    await until(slot, "<b>0</b>")
    channel.remove(slot)


async def test_a_silent_engine_is_told_without_any_change(
    monkeypatch: pytest.MonkeyPatch, feed: Feed
) -> None:
    monkeypatch.setattr(live, "IDLE_LOOK_S", 0.01)
    channel, slot = Counter(), LatestSlot()
    channel.add(slot)
    await until(slot, "<b>0</b>")
    feed.live = False
    async with asyncio.timeout(WAIT_S):
        told = await slot.take()
    assert "does not answer" in told[0]
    assert " hidden" not in told[0]
    assert channel.renderings == 1
    channel.remove(slot)


class Page(FragmentConsumer):
    """A consumer with a channel of its own and a client that may stop reading."""

    def __init__(self, channel: Channel, *, reading: bool = True, gone: bool = False) -> None:
        super().__init__()
        self.gone = gone
        self.channel_of_page = channel
        self.reading = reading
        self.sent: list[str] = []
        self.close_code: int | None = None

    async def channels(self) -> list[Channel]:
        return [self.channel_of_page]

    async def accept(self, *args: object, **kwargs: object) -> None:
        pass

    async def send(self, text_data: str | None = None, **_: object) -> None:
        if self.gone:
            raise ConnectionError("the client went away")
        if not self.reading:
            await asyncio.Event().wait()
        self.sent.append(text_data or "")

    async def close(self, code: int | None = None, reason: str | None = None) -> None:
        self.close_code = code or 1000


async def eventually(condition) -> None:  # type: ignore[no-untyped-def]
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_a_client_that_stops_reading_is_dropped_and_may_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "SEND_TIMEOUT_S", 0.02)
    channel = Counter()
    page = Page(channel, reading=False)
    before = FragmentConsumer.open_sockets
    await page.connect()
    await eventually(lambda: page.close_code is not None)
    assert page.close_code == 1013
    assert not channel.listening
    assert FragmentConsumer.open_sockets == before
    await page.disconnect(1006)
    assert FragmentConsumer.open_sockets == before


@pytest.mark.parametrize(("client", "dropped"), [({"reading": False}, 1), ({"gone": True}, 0)])
async def test_only_a_client_that_stopped_reading_counts_as_dropped(
    client: dict[str, bool], dropped: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "SEND_TIMEOUT_S", 0.02)
    name, labels = "rialto_sockets_dropped_total", {"kind": "page"}
    before = REGISTRY.get_sample_value(name, labels) or 0
    page = Page(Counter(), **client)
    await page.connect()
    await eventually(lambda: page.close_code is not None)
    assert (REGISTRY.get_sample_value(name, labels) or 0) - before == dropped


async def test_a_quiet_socket_gets_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.02)
    page = Page(Counter())
    await page.connect()
    await eventually(lambda: live.HEARTBEAT in page.sent)
    await page.disconnect(1001)


async def test_sockets_beyond_the_limit_are_asked_to_come_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "MAX_PAGE_SOCKETS", 0)
    page = Page(Counter())
    await page.connect()
    assert page.close_code == 1013
    await page.disconnect(1013)
