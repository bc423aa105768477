"""The compiled books say when they have to be compiled first, also where there is no terminal: a
service's log would otherwise be silent for as long as a minute."""

import threading
from collections.abc import Callable
from typing import Final

from market.feeds.books.fast import Warmth, warm_up

LOADING_S: Final = 2.0
"""What was compiled before is there long before this."""


def warm_books(say: Callable[[str], None]) -> None:
    """``say`` hears a line when it takes longer than loading does, and one for each kernel from
    then on; nothing where all was compiled before."""
    has_said = threading.Event()

    def begin() -> None:
        has_said.set()
        say("Compiling the books: the first start on a machine takes up to a minute.")

    def step(warmth: Warmth) -> None:
        if warmth.loaded is False and has_said.is_set():
            say(f"Compiled {warmth.kernel} ({warmth.position} of {warmth.total}).")

    timer = threading.Timer(LOADING_S, begin)
    timer.daemon = True
    timer.start()
    try:
        warm_up(step)
    finally:
        timer.cancel()
