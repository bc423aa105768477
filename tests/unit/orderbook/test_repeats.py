"""What was answered lately is found again, for long enough, and what is forgotten is known."""

import pytest

from orderbook.gateway.protocol import MAX_DEADLINE_NS, Answer, decode_answers, encode
from orderbook.worker import repeats
from orderbook.worker.repeats import REMEMBERED_NS, RecentAnswers, Row

SECOND_NS = 10**9


def answer(number: int) -> Answer:
    return Answer(b"id%d" % number, number, 0, [])


def sealed(answers: RecentAnswers, time_ns: int, deadline_ns: int, *numbers: int) -> bytes:
    row = Row(time_ns)
    row.latest_deadline_ns = deadline_ns
    row.answers = [answer(number) for number in numbers]
    answers.rows.update((one.command_id, row) for one in row.answers)
    return answers.seal(row)


def test_an_answer_is_found_before_and_after_its_reply_was_encoded() -> None:
    answers = RecentAnswers()
    row = Row(0)
    row.answers.append(answer(1))
    answers.rows[b"id1"] = row
    assert answers.get(b"id1") == answer(1)
    encoded = answers.seal(row)
    assert decode_answers(encoded) == [answer(1)]
    assert answers.get(b"id1") == answer(1)
    assert answers.get(b"id2") is None


def test_answers_are_forgotten_when_no_valid_copy_can_come() -> None:
    answers = RecentAnswers()
    sealed(answers, 0, SECOND_NS, 1, 2)
    sealed(answers, SECOND_NS, 2 * SECOND_NS, 3)
    answers.forget_before(REMEMBERED_NS - 1)
    assert len(answers) == 3
    answers.forget_before(REMEMBERED_NS)
    assert len(answers) == 1
    assert answers.get(b"id3") == answer(3)
    assert answers.safe_after_ns == 0


def test_what_was_forgotten_before_its_time_is_known_by_its_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(repeats, "MAX_REMEMBERED", 2)
    answers = RecentAnswers()
    sealed(answers, 0, 5 * SECOND_NS, 1)
    sealed(answers, 1, 4 * SECOND_NS, 2)
    assert answers.safe_after_ns == 0
    sealed(answers, 2, 7 * SECOND_NS, 3)
    assert answers.safe_after_ns == 5 * SECOND_NS
    sealed(answers, 3, 8 * SECOND_NS, 4)
    assert answers.safe_after_ns == 5 * SECOND_NS


def test_a_journaled_command_counts_with_the_latest_deadline_that_it_can_have_had(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(repeats, "MAX_REMEMBERED", 1)
    answers = RecentAnswers()
    for number in (1, 2):
        answers.remember(number * SECOND_NS, [b"id%d" % number], encode([answer(number)]))
    assert answers.safe_after_ns == SECOND_NS + MAX_DEADLINE_NS
    assert answers.get(b"id2") == answer(2)


def test_the_engines_own_commands_share_an_id_and_do_not_stay_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(repeats, "MAX_REMEMBERED", 3)
    answers = RecentAnswers()
    for number in range(10):
        answers.remember(number, [b"", b"id%d" % number], encode([]))
    assert len(answers) == 2
