"""The first start says what takes so long; the others say nothing."""

import time
from collections.abc import Callable

import pytest

from market.feeds.books.fast import Warmth
from market.feeds.management import warming

WAIT_S = 60.0


def test_compiling_is_told_before_and_after_each_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    def compile_slowly(progress: Callable[[Warmth], None]) -> None:
        progress(Warmth("apply_records", 1, 2, None))
        deadline = time.monotonic() + WAIT_S
        while not said:
            assert time.monotonic() < deadline, "it compiles in silence"
            time.sleep(0.001)
        progress(Warmth("apply_records", 1, 2, False))
        progress(Warmth("top", 2, 2, True))

    monkeypatch.setattr(warming, "LOADING_S", 0.001)
    monkeypatch.setattr(warming, "warm_up", compile_slowly)
    warming.warm_books(said.append)
    assert said == [
        "Compiling the books: the first start on a machine takes up to a minute.",
        "Compiled apply_records (1 of 2).",
    ]


def test_what_was_compiled_before_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(
        warming, "warm_up", lambda progress: progress(Warmth("apply_records", 1, 1, True))
    )
    warming.warm_books(said.append)
    assert said == []
