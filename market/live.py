"""HTML fragments on their way to browsers: rendered once, sent to every socket, newest state only.

A ``Channel`` renders one subject's panels (a symbol's book, the list of markets, an account's
orders) for everyone who watches it, at most once an interval, and not at all while nothing changed
or nobody watches. Every socket has a ``LatestSlot`` instead of a queue: what was not sent yet is
replaced by the newer state of the same panel. A socket that stops reading is closed.

Everything here runs on the server's event loop and belongs to it.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from contextlib import suppress
from functools import cache

from channels.generic.websocket import AsyncWebsocketConsumer
from django.template.loader import render_to_string

from orderbook.gateway.feed import get_feed
from orderbook.metrics import SOCKETS, SOCKETS_DROPPED

logger = logging.getLogger(__name__)

FRAME_INTERVAL_S = 0.1
"""Shortest time between two renderings of a channel."""
IDLE_LOOK_S = 1.0
RETRY_AFTER_FAILURE_S = 1.0
SEND_TIMEOUT_S = 10.0
"""A socket that does not take a message for this long is closed."""
HEARTBEAT_S = 15.0
"""Silence after which a socket gets a heartbeat, so that the page can tell it from a dead one."""
HEARTBEAT = '<i id="heartbeat" hx-swap-oob="true" hidden></i>'
MAX_PAGE_SOCKETS = 2_000
"""Page sockets that one process serves."""
CLOSE_FINAL = 1000
CLOSE_TRY_AGAIN_LATER = 1013
"""The page reconnects after 1006, 1011, 1012 and 1013 only; 1000 would be final."""
_KIND = "page"


@cache
def _venue_state(*, live: bool) -> str:
    """Whether the engine is heard; while it is not, the page says that its figures are old."""
    return render_to_string("partials/venue_state.html", {"engine_away": not live})


class LatestSlot:
    """What one socket has yet to be sent: the newest state of each panel, oldest change first."""

    def __init__(self) -> None:
        self._pending: dict[str, str] = {}
        self._filled = asyncio.Event()

    def offer(self, panel: str, html: str) -> None:
        self._pending[panel] = html
        self._filled.set()

    async def take(self) -> list[str]:
        """Waits until there is something; the slot is empty afterwards."""
        await self._filled.wait()
        self._filled.clear()
        messages = list(self._pending.values())
        self._pending.clear()
        return messages


class Channel(ABC):
    """One subject's fragments for all who watch it."""

    interval_s = FRAME_INTERVAL_S

    def __init__(self) -> None:
        self._slots: set[LatestSlot] = set()
        self._shown: dict[str, str] = {}
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @abstractmethod
    async def render(self) -> dict[str, str]:
        """The panels that may have changed, as ``{name: html}`` with one root element each."""

    @abstractmethod
    def opened(self) -> None:
        """The first watcher came: listen."""

    @abstractmethod
    def closed(self) -> None:
        """The last watcher went: stop listening."""

    def idle_fragments(self) -> dict[str, str]:
        """What is looked at every ``IDLE_LOOK_S`` without a change: must cost next to nothing."""
        return {"venue": _venue_state(live=get_feed().live)}

    def mark_changed(self) -> None:
        self._changed.set()

    def forget(self, panel: str) -> None:
        """Late comers are not shown this panel until it changes again."""
        self._shown.pop(panel, None)

    def add(self, slot: LatestSlot) -> None:
        """The slot gets every panel as it is now, and what changes from then on."""
        for panel, html in self._shown.items():
            slot.offer(panel, html)
        self._slots.add(slot)
        if self._task is None:
            self.opened()
            self._changed.set()
            self._task = asyncio.create_task(self._run())

    def remove(self, slot: LatestSlot) -> None:
        self._slots.discard(slot)
        if not self._slots and self._task is not None:
            self._task.cancel()
            self._task = None
            self._shown.clear()
            self.closed()

    async def _run(self) -> None:
        while True:
            changed = await self._wait_for_change()
            self._changed.clear()
            try:
                fragments = self.idle_fragments()
                if changed:
                    fragments |= await self.render()
            except Exception:
                # A page that is a second behind is better than one that is dead until a reload.
                logger.exception("%s cannot be rendered", type(self).__name__)
                await asyncio.sleep(RETRY_AFTER_FAILURE_S)
                self._changed.set()
                continue
            self._show(fragments)
            await asyncio.sleep(self.interval_s)

    async def _wait_for_change(self) -> bool:
        try:
            async with asyncio.timeout(IDLE_LOOK_S):
                return await self._changed.wait()
        except TimeoutError:
            return False

    def _show(self, fragments: dict[str, str]) -> None:
        for panel, html in fragments.items():
            if self._shown.get(panel) == html:
                continue
            self._shown[panel] = html
            for slot in self._slots:
                slot.offer(panel, html)


class FragmentConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """A page's socket: watches channels, sends what they render, listens to nothing."""

    open_sockets = 0

    async def channels(self) -> list[Channel]:
        """What this page watches; an empty list turns the client away for good."""
        raise NotImplementedError

    async def connect(self) -> None:
        self.slot = LatestSlot()
        self.watching: list[Channel] = []
        self.sender: asyncio.Task[None] | None = None
        await self.accept()
        if FragmentConsumer.open_sockets >= MAX_PAGE_SOCKETS:
            await self.close(code=CLOSE_TRY_AGAIN_LATER)
            return
        self.watching = await self.channels()
        if not self.watching:
            await self.close(code=CLOSE_FINAL)
            return
        FragmentConsumer.open_sockets += 1
        SOCKETS.labels(_KIND).inc()
        self.sender = asyncio.create_task(self._send_states())
        for channel in self.watching:
            channel.add(self.slot)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Pages act by form posts; whatever a client sends here is ignored."""

    async def disconnect(self, code: int) -> None:
        sender = self.sender
        self._leave()
        if sender is not None:
            sender.cancel()

    def _leave(self) -> None:
        """Watches nothing any more; safe to call twice."""
        for channel in self.watching:
            channel.remove(self.slot)
        self.watching = []
        if self.sender is not None:
            self.sender = None
            FragmentConsumer.open_sockets -= 1
            SOCKETS.labels(_KIND).dec()

    async def _send_states(self) -> None:
        try:
            while True:
                for message in await self._next_messages():
                    async with asyncio.timeout(SEND_TIMEOUT_S):
                        await self.send(text_data=message)
        except Exception as error:
            if isinstance(error, TimeoutError):
                logger.info("a page's socket stopped reading")
                SOCKETS_DROPPED.labels(_KIND).inc()
            else:
                # The connection is gone; the server tells ``disconnect`` in a moment.
                logger.debug("a page's socket was lost: %r", error)
            self._leave()
            with suppress(Exception):
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await self.close(code=CLOSE_TRY_AGAIN_LATER)

    async def _next_messages(self) -> list[str]:
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                return await self.slot.take()
        except TimeoutError:
            return [HEARTBEAT]
