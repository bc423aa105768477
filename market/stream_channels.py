"""What can be subscribed to on /ws/stream: the contract between the socket and its channels.

A provider knows a family of channels by name. The public ones are registered by this app, private
ones and the authenticator by whoever owns them; the socket knows none of them by name.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

import msgspec

MAX_CHANNEL_NAME_LENGTH = 144
"""Holds the name of a feed and the longest raw symbol."""


class Identity(NamedTuple):
    """Who a socket speaks for."""

    account_id: int
    expires_at_s: int
    """End of the token, in seconds since the epoch; the socket is closed then unless it has
    authenticated again."""


class Subscriber(Protocol):
    """A socket's place in a channel. Holds what waits to be sent, within limits."""

    def offer(self, frame: str) -> None:
        """Queues a frame. Past the limit the queue is dropped and ``Channel.snapshot`` is asked
        for instead, as soon as the client reads again."""

    def refresh(self) -> None:
        """Drops what waits and has a new snapshot sent."""

    def tell(self, frame: str) -> None:
        """Has a frame sent that says why there is no snapshot; none where there is one by then."""


class Channel(ABC):
    """One stream of frames in this process, shared by every socket that is subscribed to it.

    A frame is encoded once and offered to all. Frames carry numbers that are contiguous from the
    snapshot on, so a client can see for itself that it missed nothing.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.subscribers: set[Subscriber] = set()

    def attach(self, subscriber: Subscriber) -> None:
        self.subscribers.add(subscriber)

    def detach(self, subscriber: Subscriber) -> None:
        """Safe to repeat. Extend it to let go of what a channel without subscribers needs not."""
        self.subscribers.discard(subscriber)

    def publish(self, frame: str) -> None:
        for subscriber in self.subscribers:
            subscriber.offer(frame)

    @property
    def ready(self) -> bool:
        """Whether ``snapshot`` can be asked for; on becoming ready again a channel calls
        ``refresh`` of its subscribers."""
        return True

    def settle(self) -> None:  # noqa: B027 - most channels gather nothing
        """Publishes what is gathered for the next frame, to those who go on with it; called right
        before ``snapshot``, which has it already."""

    @abstractmethod
    async def snapshot(self) -> str:
        """A frame with the whole present state.

        Frames that are published after the call began are sent after the snapshot, so a state that
        is read with an ``await`` may contain what they say: frames must bear being applied twice,
        or carry numbers by which the client drops them.
        """


class ChannelProvider(Protocol):
    def matches(self, name: str) -> bool:
        """Whether the name belongs to this provider's family, right or wrong in its details."""

    async def open(self, name: str, identity: Identity | None) -> Channel:
        """The channel, the same object for every socket that may share it.

        Raises a VenueError: UnknownSymbol, AuthenticationNeeded, MarketDataUnavailable ...
        """


Authenticator = Callable[[str], Awaitable[Identity]]
"""Checks an access token; raises a VenueError where it is not valid."""

DisconnectAction = Callable[[int], Awaitable[None]]
"""What is done for an account whose socket asked for it, once that socket's connection has ended.
Goes on until it is done or in vain; raises nothing."""

_providers: list[ChannelProvider] = []
_authenticator: Authenticator | None = None
_disconnect_action: DisconnectAction | None = None


def register_provider(provider: ChannelProvider) -> None:
    """Called from ``AppConfig.ready``."""
    _providers.append(provider)


def register_authenticator(authenticator: Authenticator) -> None:
    global _authenticator
    _authenticator = authenticator


def register_disconnect_action(action: DisconnectAction) -> None:
    global _disconnect_action
    _disconnect_action = action


def disconnect_action() -> DisconnectAction | None:
    return _disconnect_action


def provider_of(name: str) -> ChannelProvider | None:
    return next((provider for provider in _providers if provider.matches(name)), None)


def authenticator() -> Authenticator | None:
    return _authenticator


_encoder = msgspec.json.Encoder()


def encode_frame(frame: dict[str, object]) -> str:
    """JSON text of a frame; call it once per frame, not once per socket."""
    return _encoder.encode(frame).decode()
