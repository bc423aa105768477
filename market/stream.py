"""The socket at /ws/stream: JSON messages in, answers and channel frames out (docs/websocket.md).

Knows the protocol and its limits; what channels exist is the registry's business
(``market.stream_channels``). Every mistake of the client is answered in the venue's error shape.
"""

import asyncio
import time
import uuid
from contextlib import suppress
from typing import Annotated, Any
from urllib.parse import parse_qs

import msgspec
import structlog
from channels.generic.websocket import AsyncWebsocketConsumer
from msgspec import Meta, Struct

from market import stream_channels
from market.errors import (
    AuthenticationNeeded,
    StreamRateLimited,
    TooManyChannels,
    UnknownChannel,
)
from market.stream_channels import MAX_CHANNEL_NAME_LENGTH, Identity, encode_frame
from market.stream_outbox import Outbox, Slot, TooManyReplies
from orderbook import metrics
from orderbook.errors import InvalidInput, VenueError

logger = structlog.get_logger(__name__)

MAX_SOCKETS = 5_000
"""Stream sockets that one process serves."""
MAX_MESSAGE_LENGTH = 16_384
MAX_CHANNELS = 50
"""Channels that one socket may be subscribed to."""
MAX_TOKEN_LENGTH = 4_096
MESSAGES_PER_S = 10
MESSAGE_BURST = 50
SEND_TIMEOUT_S = 10.0
"""A socket that does not take a frame for this long is closed."""
CLOSE_TIMEOUT_S = 15.0

POLICY_VIOLATION = 1008
MESSAGE_TOO_BIG = 1009
TRY_AGAIN_LATER = 1013
TOKEN_NOT_VALID = 4401

_Id = Annotated[int, Meta(ge=-(2**53), le=2**53)] | Annotated[str, Meta(max_length=64)] | None


class ClientMessage(Struct):
    op: Annotated[str, Meta(max_length=32)]
    channels: Annotated[
        list[Annotated[str, Meta(max_length=MAX_CHANNEL_NAME_LENGTH)]],
        Meta(max_length=MAX_CHANNELS),
    ] = []
    token: Annotated[str, Meta(max_length=MAX_TOKEN_LENGTH)] = ""
    enabled: bool | None = None
    id: _Id = None


_after_disconnects: set[asyncio.Future[None]] = set()
"""What is being done for sockets that are gone; kept, because the loop keeps weak references."""

_decode = msgspec.json.Decoder(ClientMessage).decode


class StreamConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    # An alias that is not configured: the hub feeds this socket, it needs no mailbox in Redis.
    channel_layer_alias = "none"
    open_sockets = 0

    # -- life ---------------------------------------------------------------------------------

    async def connect(self) -> None:
        self.request_id = uuid.uuid4().hex
        self.identity: Identity | None = None
        self.slots: dict[str, Slot] = {}
        self.outbox = Outbox()
        self.sender: asyncio.Task[None] | None = None
        self.expiry: asyncio.TimerHandle | None = None
        self.closing = False
        self.cancels_on_disconnect = False
        self.counted = False
        self.tokens = float(MESSAGE_BURST)
        self.tokens_at = time.monotonic()
        await self.accept()
        if StreamConsumer.open_sockets >= MAX_SOCKETS:
            await self.close(code=TRY_AGAIN_LATER)
            return
        self._count(1)
        self.sender = asyncio.create_task(self._send_frames(), name="stream-sender")
        token = parse_qs(self.scope.get("query_string", b"").decode("latin-1")).get("token")
        if token:
            await self._handle(ClientMessage("auth", token=token[0]))

    async def disconnect(self, code: int) -> None:
        self.closing = True
        self._connection_ended()
        if self.expiry is not None:
            self.expiry.cancel()
        self._leave_channels(list(self.slots))
        if self.sender is not None:
            self._count(-1)
            self.sender.cancel()
            with suppress(asyncio.CancelledError):
                await self.sender

    def _connection_ended(self) -> None:
        """Safe to repeat. What is begun here outlives the socket."""
        action = stream_channels.disconnect_action()
        if self.cancels_on_disconnect and self.identity is not None and action is not None:
            self.cancels_on_disconnect = False
            task = asyncio.ensure_future(action(self.identity.account_id))
            _after_disconnects.add(task)
            task.add_done_callback(_after_disconnects.discard)

    def _count(self, change: int) -> None:
        """A socket that was given up is not counted off again when the connection ends at last."""
        if change > 0 or self.counted:
            StreamConsumer.open_sockets += change
            metrics.SOCKETS.labels("stream").inc(change)
            self.counted = change > 0

    # -- in -----------------------------------------------------------------------------------

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.closing or self.sender is None:
            return
        try:
            self._take_token()
            message = self._decoded(text_data)
        except VenueError as error:
            self._answer_error(error, None)
            if isinstance(error, StreamRateLimited):
                self._close_soon(POLICY_VIOLATION)
            elif error.code == "message_too_large":
                self._close_soon(MESSAGE_TOO_BIG)
            return
        await self._handle(message)

    def _take_token(self) -> None:
        now = time.monotonic()
        self.tokens = min(MESSAGE_BURST, self.tokens + (now - self.tokens_at) * MESSAGES_PER_S)
        self.tokens_at = now
        if self.tokens < 1:
            raise StreamRateLimited(
                f"At most {MESSAGES_PER_S} messages a second, and {MESSAGE_BURST} at once."
            )
        self.tokens -= 1

    def _decoded(self, text: str | None) -> ClientMessage:
        if text is None:
            raise InvalidInput("Messages are JSON text, not binary.", code="invalid_message")
        if len(text) > MAX_MESSAGE_LENGTH:
            raise InvalidInput(
                f"A message has at most {MAX_MESSAGE_LENGTH} characters.", code="message_too_large"
            )
        try:
            return _decode(text)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise InvalidInput(f"Not a valid message: {error}", code="invalid_message") from error

    async def _handle(self, message: ClientMessage) -> None:
        try:
            match message.op:
                case "subscribe":
                    await self._subscribe(message)
                case "unsubscribe":
                    self._unsubscribe(message)
                case "auth":
                    await self._authenticate(message)
                case "cancel_on_disconnect":
                    self._cancel_on_disconnect(message)
                case "ping":
                    self._answer("pong", message.id)
                case _:
                    raise InvalidInput(
                        "op is one of subscribe, unsubscribe, auth, cancel_on_disconnect and ping.",
                        field="op",
                        code="unknown_op",
                    )
        except VenueError as error:
            self._answer_error(error, message.id)
        except Exception:
            logger.exception("a stream message failed", op=message.op, request_id=self.request_id)
            self._answer_error(
                VenueError("The venue made a mistake; it has been logged.", code="server_error"),
                message.id,
            )

    async def _subscribe(self, message: ClientMessage) -> None:
        """All of the named channels, or none where one of them cannot be had."""
        names = list(dict.fromkeys(message.channels))
        if not names:
            raise InvalidInput("channels must name at least one channel.", field="channels")
        new = [name for name in names if name not in self.slots]
        if len(self.slots) + len(new) > MAX_CHANNELS:
            raise TooManyChannels(
                f"A socket may have at most {MAX_CHANNELS} channels.", field="channels"
            )
        opened = []
        for name in new:
            provider = stream_channels.provider_of(name)
            if provider is None:
                raise UnknownChannel(field="channels")
            opened.append(Slot(await provider.open(name, self.identity), self.outbox))
        if self.closing:
            return
        self._answer("subscribed", message.id, channels=names)
        for name, slot in zip(new, opened, strict=True):
            self.slots[name] = slot
            slot.open()

    def _unsubscribe(self, message: ClientMessage) -> None:
        unknown = [name for name in message.channels if name not in self.slots]
        if unknown or not message.channels:
            raise InvalidInput(
                "channels must name channels that the socket is subscribed to.",
                field="channels",
                code="not_subscribed",
            )
        self._leave_channels(message.channels)
        self._answer("unsubscribed", message.id, channels=message.channels)

    async def _authenticate(self, message: ClientMessage) -> None:
        authenticator = stream_channels.authenticator()
        if authenticator is None:
            raise InvalidInput("This venue has no private channels.", code="unknown_op")
        try:
            identity = await authenticator(message.token)
        except VenueError as error:
            self._answer_error(error, message.id)
            if self.identity is None:
                self._close_soon(TOKEN_NOT_VALID)
            return
        if self.identity is not None and self.identity.account_id != identity.account_id:
            raise InvalidInput(
                "The socket speaks for another account already; open a new one.", field="token"
            )
        self.identity = identity
        self._expire_at(identity.expires_at_s)
        self._answer("authenticated", message.id, account_id=identity.account_id)

    def _cancel_on_disconnect(self, message: ClientMessage) -> None:
        if self.identity is None:
            raise AuthenticationNeeded
        if message.enabled is None:
            raise InvalidInput("enabled must be true or false.", field="enabled", code="required")
        self.cancels_on_disconnect = message.enabled
        self._answer("cancel_on_disconnect", message.id, enabled=message.enabled)

    def _expire_at(self, expires_at_s: int) -> None:
        if self.expiry is not None:
            self.expiry.cancel()
        left_s = max(0.0, expires_at_s - time.time())
        self.expiry = asyncio.get_running_loop().call_later(left_s, self._expired)

    def _expired(self) -> None:
        self._answer_error(
            VenueError("The token has expired. Sign in again.", code="token_expired"), None
        )
        self._close_soon(TOKEN_NOT_VALID)

    def _leave_channels(self, names: list[str]) -> None:
        for name in names:
            slot = self.slots.pop(name, None)
            if slot is not None:
                slot.close()

    # -- out ----------------------------------------------------------------------------------

    def _answer(self, op: str, message_id: Any, **body: Any) -> None:
        frame = {"op": op, **body}
        if message_id is not None:
            frame["id"] = message_id
        self._reply(frame)

    def _answer_error(self, error: VenueError, message_id: Any) -> None:
        body: dict[str, Any] = {"code": error.code, "message": error.message}
        if error.field:
            body["field"] = error.field
        body["request_id"] = self.request_id
        frame: dict[str, Any] = {"error": body}
        if message_id is not None:
            frame["id"] = message_id
        self._reply(frame)

    def _reply(self, frame: dict[str, Any]) -> None:
        if self.closing:
            return
        try:
            self.outbox.reply(encode_frame(frame))
        except TooManyReplies:
            self._close_soon(TRY_AGAIN_LATER)

    def _close_soon(self, code: int) -> None:
        """Closes after the answers that wait; from now on nothing is heard or published."""
        if not self.closing:
            self.closing = True
            self._leave_channels(list(self.slots))
            self.outbox.finish(code)

    async def _send_frames(self) -> None:
        try:
            while (frame := await self.outbox.next_frame()) is not None:
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await self.send(text_data=frame)
            code = self.outbox.close_code
        except TimeoutError:
            logger.info("a stream socket stopped reading", request_id=self.request_id)
            metrics.SOCKETS_DROPPED.labels("stream").inc()
            code = TRY_AGAIN_LATER
        except asyncio.CancelledError:
            raise
        except Exception as error:
            # The connection is gone; the server tells ``disconnect`` in a moment.
            logger.debug("a stream socket was lost", error=repr(error))
            code = TRY_AGAIN_LATER
        self.closing = True
        self._connection_ended()
        self._leave_channels(list(self.slots))
        self._count(-1)
        with suppress(Exception):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self.close(code=code)
