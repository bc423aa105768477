"""What a gateway keeps of the commands that it was given, until they are answered."""

import asyncio
from collections.abc import Iterable, Sequence

from django.conf import settings

from orderbook.errors import InvalidInput, OutcomeUnknown
from orderbook.gateway.protocol import MAX_BATCH_COMMANDS, Answer, Envelope, encode

CLOCKS_DISAGREE = (
    "The engine found the command's deadline passed or too far ahead, so the outcome is unknown; "
    "are the clocks of the venue's hosts in step? Ask for the order by its client_order_id before "
    "sending it again."
)


class Part:
    """Commands submitted together that travel in one message, and whoever waits for their answers.

    What the engine reads of a part it reads as a whole, so a part is sent again as a whole.
    """

    __slots__ = (
        "answers",
        "batch",
        "command_ids",
        "deadline",
        "encoded",
        "future",
        "possible_sends",
        "resend_at",
        "since",
    )

    def __init__(
        self,
        command_ids: list[bytes],
        encoded: bytes,
        future: "asyncio.Future[list[Answer]]",
        now: float,
    ) -> None:
        self.command_ids = command_ids
        self.encoded = encoded
        """Its envelopes, one after another, the same for every send."""
        self.future = future
        self.answers: dict[bytes, Answer] = {}
        self.since = now
        self.deadline = now + settings.COMMAND_DEADLINE_S
        self.resend_at = 0.0
        self.possible_sends = 0
        """Sends that may have reached the queue; at 0 the commands were certainly not executed."""
        self.batch: Batch | None = None

    def settle(self) -> bool:
        """Tells the caller the answers, once all are there; False where it learns nothing certain.

        A refusal for the deadline stands in no journal: another leader, whose clock says something
        else, may execute a copy that is still under way. So it promises nothing. Where clocks agree
        nobody notices, because the caller is given up at its deadline anyway.
        """
        answers = [self.answers[one] for one in self.command_ids]
        if all(answer.sequence for answer in answers):
            self.future.set_result(answers)
            return True
        self.future.set_exception(OutcomeUnknown(CLOCKS_DISAGREE))
        return False


class Batch:
    """Parts sent in one message; holds a place in the window until all are answered."""

    __slots__ = ("unanswered",)

    def __init__(self, parts: int) -> None:
        self.unanswered = parts


def first_parts(parts: Iterable[Part]) -> list[Part]:
    """The first ones, as many as a message can carry."""
    taken: list[Part] = []
    commands = 0
    for part in parts:
        commands += len(part.command_ids)
        if commands > MAX_BATCH_COMMANDS:
            break
        taken.append(part)
    return taken


def all_answers(answered: Sequence[list[Answer] | BaseException]) -> list[Answer]:
    """The answers of every part; where one has none, the error that promises least."""
    errors = [part for part in answered if isinstance(part, BaseException)]
    if not errors:
        return [answer for part in answered if isinstance(part, list) for answer in part]
    if len(errors) == len(answered) or any(isinstance(one, OutcomeUnknown) for one in errors):
        raise next((one for one in errors if isinstance(one, OutcomeUnknown)), errors[0])
    # Some were executed and the rest was not.
    raise OutcomeUnknown


def encode_envelopes(envelopes: Iterable[Envelope]) -> bytes:
    """By themselves, so that what cannot travel fails its own caller and not the whole message."""
    try:
        return b"".join(map(encode, envelopes))
    except (OverflowError, UnicodeEncodeError) as error:
        raise InvalidInput(
            f"The command has a value that the venue cannot take: {error}."
        ) from None
