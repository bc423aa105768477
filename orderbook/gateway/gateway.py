"""The one way into the engine, for every door of a process.

Commands are collected while earlier ones are under way and sent in batches: at most ``WINDOW``
batches are unanswered at a time, and that window is what makes batches form under load. The queue
may lose anything, so what is not answered is sent again with the same command id until its
deadline; the engine executes an id once. A caller is told "refused" or "executed" only by an answer
of the engine that stands in the journal.
"""

import asyncio
import itertools
import logging
import os
import threading
import time
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

import msgspec
from channels.exceptions import ChannelFull
from channels.layers import get_channel_layer
from django.conf import settings

from orderbook import metrics
from orderbook.core.commands import Command
from orderbook.errors import EngineUnavailable, OutcomeUnknown
from orderbook.event_loop import result_from_loop
from orderbook.gateway.bridge.joining import joined_venue
from orderbook.gateway.command_trace import note_commands
from orderbook.gateway.parts import Batch, Part, all_answers, encode_envelopes, first_parts
from orderbook.gateway.pending_queries import QUERY_TIMEOUT_S, PendingQueries, query_message
from orderbook.gateway.protocol import (
    MAX_BATCH_COMMANDS,
    Answer,
    Envelope,
    GetStatus,
    Query,
    QueryResult,
    decode_answers,
    joined,
)

logger = logging.getLogger(__name__)
T = TypeVar("T")

WINDOW = 2
"""Batches that may be unanswered at a time."""
MAX_WAITING = 20_000
"""Commands that may wait in a gateway; one more is refused as EngineUnavailable."""
UNSENT_PATIENCE_S = 1.0
"""How long a command may wait to be sent at all before the caller is told to try again."""
FIRST_RESEND_S = 0.4
TICK_S = 0.05
"""How often deadlines and resends are looked at."""
RECONNECT_S = 0.2
SEND_TIMEOUT_S = 2.0
"""How long a send may take; a queue that takes longer counts as one that cannot be reached."""
TOLD_S = 1.0
"""How long it may take to tell every caller that the venue has ended."""


class Gateway:
    """Bound to the event loop that calls ``start``."""

    def __init__(self) -> None:
        self._layer = get_channel_layer("engine")
        self._prefix = os.urandom(8)
        self._counter = itertools.count(1)
        self._part_of: dict[bytes, Part] = {}
        """Of each command that is not answered, by its id."""
        self._unsent: dict[Part, None] = {}
        """In the order of submission, as ``_sent`` is in the order of sending."""
        self._sent: dict[Part, None] = {}
        self._queries = PendingQueries(self._layer)
        self._batches_out = 0
        self._queue_is_up = True
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopped = False
        self.reply_channel = ""
        self.loop: asyncio.AbstractEventLoop | None = None
        self.last_acknowledged_sequence = 0

    # -- life ---------------------------------------------------------------------------------

    async def start(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.reply_channel = await self._layer.new_channel("gateway")
        self._tasks = [
            asyncio.create_task(self._receive_forever(), name="gateway-receive"),
            asyncio.create_task(self._send_forever(), name="gateway-send"),
            asyncio.create_task(self._watch_forever(), name="gateway-watch"),
            asyncio.create_task(self._resend_forever(), name="gateway-resend"),
        ]

    async def stop(self) -> None:
        self._stopped = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for part in (*self._unsent, *self._sent):
            self._give_up(part)
        self._unsent.clear()
        self._sent.clear()
        self._queries.give_up()

    # -- what callers use ---------------------------------------------------------------------

    async def submit(self, command: Command) -> Answer:
        """The engine's answer. Raises EngineUnavailable, OutcomeUnknown, or InvalidInput for a
        command that cannot travel."""
        self._check_room(1)
        return (await self._enqueue(self._part((command,))))[0]

    async def submit_many(self, commands: Sequence[Command]) -> list[Answer]:
        """The answers to commands that are submitted at once, in the same order, in which the
        engine executes them, too. A message and a future for MAX_BATCH_COMMANDS of them: a command
        costs a third of what ``submit`` does.

        Commands of other callers may come in between. Raises InvalidInput or EngineUnavailable
        where none was executed, OutcomeUnknown where some may have been and others not; then ask
        for each by its client order id.
        """
        self._check_room(len(commands))
        starts = range(0, len(commands), MAX_BATCH_COMMANDS)
        parts = [self._part(commands[at : at + MAX_BATCH_COMMANDS]) for at in starts]
        answered = await asyncio.gather(*map(self._enqueue, parts), return_exceptions=True)
        return all_answers(answered)

    def _check_room(self, commands: int) -> None:
        self._check_open()
        if len(self._part_of) + commands > MAX_WAITING:
            raise EngineUnavailable("Too many commands are waiting for the engine. Try again.")

    def _check_open(self) -> None:
        if self._stopped:
            raise EngineUnavailable("The venue is stopping.")

    def _part(self, commands: Sequence[Command]) -> Part:
        loop = asyncio.get_running_loop()
        command_ids = [self._new_id() for _ in commands]
        note_commands(command_ids)
        deadline_ns = time.time_ns() + int(settings.COMMAND_DEADLINE_S * 1e9)
        encoded = encode_envelopes(
            Envelope(command_id, deadline_ns, command)
            for command_id, command in zip(command_ids, commands, strict=True)
        )
        return Part(command_ids, encoded, loop.create_future(), loop.time())

    def _enqueue(self, part: Part) -> "asyncio.Future[list[Answer]]":
        self._part_of.update(dict.fromkeys(part.command_ids, part))
        self._unsent[part] = None
        self._wake.set()
        return part.future

    def submit_blocking(self, command: Command) -> Answer:
        """As ``submit``, from any thread but the loop's own."""
        return self._from_thread(self.submit(command))

    def submit_many_blocking(self, commands: Sequence[Command]) -> list[Answer]:
        """As ``submit_many``, from any thread but the loop's own."""
        return self._from_thread(self.submit_many(commands))

    async def query(self, query: Query, *, timeout_s: float = QUERY_TIMEOUT_S) -> QueryResult:
        """What the engine's memory says. Raises EngineUnavailable, or LookupError where the
        engine knows no such thing."""
        self._check_open()
        return await self._queries.ask(query, self._new_id(), self.reply_channel, timeout_s)

    def query_blocking(self, query: Query, *, timeout_s: float = QUERY_TIMEOUT_S) -> QueryResult:
        return self._from_thread(self.query(query, timeout_s=timeout_s))

    async def engine_alive(self, *, timeout_s: float = 1.0) -> bool:
        try:
            await self.query(GetStatus(), timeout_s=timeout_s)
        except EngineUnavailable:
            return False
        return True

    def _from_thread(self, coroutine: Coroutine[Any, Any, T]) -> T:
        assert self.loop is not None, "the gateway has not been started"
        return result_from_loop(coroutine, self.loop)

    def _new_id(self) -> bytes:
        return self._prefix + next(self._counter).to_bytes(8, "big")

    # -- sending ------------------------------------------------------------------------------

    async def _send_forever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._unsent and self._batches_out < WINDOW:
                if self._queue_is_up or await self._probe():
                    await self._send_next_batch()

    async def _probe(self) -> bool:
        """Whether the queue takes messages again. Asked with a message that executes nothing,
        because of a send that fails nobody can say how far it came."""
        message = query_message(b"", self.reply_channel, GetStatus())
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._layer.send(settings.ENGINE_QUEUE, message)
        except Exception as error:
            logger.warning("the queue cannot be reached: %r", error)
            await asyncio.sleep(RECONNECT_S)
            return False
        self._queue_is_up = True
        return True

    async def _send_next_batch(self) -> None:
        taken = first_parts(self._unsent)
        batch = Batch(len(taken))
        self._batches_out += 1
        now = asyncio.get_running_loop().time()
        for part in taken:
            del self._unsent[part]
            part.batch = batch
            part.resend_at = now + FIRST_RESEND_S
            self._sent[part] = None
        await self._send(taken)

    async def _send(self, parts: list[Part]) -> None:
        for part in parts:
            part.possible_sends += 1
        commands = sum(len(part.command_ids) for part in parts)
        message = {
            "type": "commands",
            "reply_to": self.reply_channel,
            "batch": joined(commands, (part.encoded for part in parts)),
        }
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._layer.send(settings.ENGINE_QUEUE, message)
        except ChannelFull:
            self._take_back(parts)
            await asyncio.sleep(RECONNECT_S)
        except Exception as error:
            # However the connection ended, the message may have been stored, read and executed
            # before. A send is several steps; even a refused connection may be the last one's.
            logger.warning("commands may not have been sent: %r", error)
            self._queue_is_up = False
            await asyncio.sleep(RECONNECT_S)
        else:
            self._queue_is_up = True

    def _take_back(self, parts: list[Part]) -> None:
        """After a queue that was full: what never left before counts as unsent again."""
        for part in parts:
            part.possible_sends -= 1
            if part.possible_sends == 0 and part in self._sent:
                del self._sent[part]
                self._leave_batch(part)
                self._unsent[part] = None
        self._wake.set()

    # -- answers ------------------------------------------------------------------------------

    async def _receive_forever(self) -> None:
        while True:
            try:
                message = await self._layer.receive(self.reply_channel)
            except asyncio.CancelledError:
                raise
            except Exception as error:
                logger.warning("replies cannot be received: %s", error)
                await asyncio.sleep(RECONNECT_S)
                continue
            try:
                self._take(message)
            except msgspec.MsgspecError:
                logger.exception("an unreadable reply was dropped")

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "query.result":
            self._queries.take(message)
            return
        last_sequence = self.last_acknowledged_sequence
        for answer in decode_answers(message["batch"]):
            part = self._part_of.pop(answer.command_id, None)
            if part is None:
                continue
            part.answers[answer.command_id] = answer
            if answer.sequence > last_sequence:
                last_sequence = answer.sequence
            if len(part.answers) == len(part.command_ids):
                self._answered(part)
        self.last_acknowledged_sequence = last_sequence

    def _answered(self, part: Part) -> None:
        self._sent.pop(part, None)
        self._unsent.pop(part, None)
        self._leave_batch(part)
        if not part.future.done():
            now = asyncio.get_running_loop().time()
            metrics.GATEWAY_COMMAND_SECONDS.observe(now - part.since)
            if not part.settle():
                metrics.GATEWAY_UNKNOWN.inc(len(part.command_ids))

    def _leave_batch(self, part: Part) -> None:
        batch, part.batch = part.batch, None
        if batch is None:
            return
        batch.unanswered -= 1
        if batch.unanswered == 0:
            self._batches_out -= 1
            self._wake.set()

    # -- deadlines and resends ----------------------------------------------------------------

    async def _watch_forever(self) -> None:
        """Never sends, so that no deadline waits for a queue that hangs."""
        while True:
            await asyncio.sleep(TICK_S)
            now = asyncio.get_running_loop().time()
            for part in list(self._unsent):
                if now - part.since < UNSENT_PATIENCE_S:
                    break
                del self._unsent[part]
                self._give_up(part)
            for part in list(self._sent):
                if now >= part.deadline:
                    del self._sent[part]
                    self._leave_batch(part)
                    self._give_up(part)
            metrics.GATEWAY_INFLIGHT.set(len(self._part_of))

    async def _resend_forever(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            now = asyncio.get_running_loop().time()
            late = first_parts(part for part in self._sent if now >= part.resend_at)
            for part in late:
                part.resend_at = now + 2 * FIRST_RESEND_S
            if late:
                metrics.GATEWAY_RESENDS.inc(sum(len(part.command_ids) for part in late))
                await self._send(late)

    def _give_up(self, part: Part) -> None:
        for command_id in part.command_ids:
            self._part_of.pop(command_id, None)
        if not part.future.done():
            if part.possible_sends:
                metrics.GATEWAY_UNKNOWN.inc(len(part.command_ids))
                part.future.set_exception(OutcomeUnknown())
            else:
                metrics.GATEWAY_UNAVAILABLE.inc(len(part.command_ids))
                part.future.set_exception(EngineUnavailable())


_gateway: Gateway | None = None
_gateway_lock = threading.Lock()


def set_gateway(gateway: Gateway | None) -> None:
    """Makes ``gateway`` the process's one; the server's lifespan does it, and tests."""
    global _gateway
    _gateway = gateway


def get_gateway() -> Gateway:
    """The process's gateway. Outside a server (commands, Celery) it gets a thread of its own.

    Raises EngineUnavailable outside the venue's process where no embedded venue can be joined.
    """
    with _gateway_lock:
        if _gateway is None:
            set_gateway(_start_in_thread())
        assert _gateway is not None
        return _gateway


def _start_in_thread() -> Gateway:
    """Ends with the embedded venue that it joined; the next ``get_gateway`` looks for one again."""
    started: Future[Gateway] = Future()

    async def serve() -> None:
        try:
            async with joined_venue() as venue:
                gateway = Gateway()
                await gateway.start()
                started.set_result(gateway)
                await venue.wait_until_lost()
                set_gateway(None)
                await gateway.stop()
                if waiting := asyncio.all_tasks() - {asyncio.current_task()}:
                    await asyncio.wait(waiting, timeout=TOLD_S)
        except Exception as error:
            started.set_exception(error)

    threading.Thread(target=asyncio.run, args=(serve(),), name="gateway", daemon=True).start()
    return started.result()
