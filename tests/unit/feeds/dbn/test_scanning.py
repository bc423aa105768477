import pytest

from market.feeds.dbn.metadata import Damage
from market.feeds.dbn.scanning import Scanner
from tests.unit.feeds.dbn.samples import adds, other_kinds, other_record


@pytest.mark.parametrize("has_ts_out", [False, True])
def test_other_kinds_are_passed_over_at_their_own_sizes_and_refused_at_any_other(has_ts_out):
    scanner = Scanner(has_ts_out=has_ts_out)
    kinds = other_kinds()
    for rtype in set(range(256)) - {160}:
        sizes = {size + 8 * has_ts_out for size in kinds.get(rtype, ())}
        for size in range(4, 1021, 4):
            data = other_record(rtype, size)
            if size in sizes:
                assert scanner.take(data, 0, 10)[1:3] == ([0], size)
            else:
                with pytest.raises(Damage) as caught:
                    scanner.take(data, 0, 10, base=1000)
                assert caught.value.offset == 1000


def test_a_record_of_no_length_is_damage():
    with pytest.raises(Damage, match="claims 0 bytes"):
        Scanner(has_ts_out=False).take(bytes([0, 160]) + bytes(200), 0, 10)


def test_what_stands_before_damage_is_given_first():
    scanner = Scanner(has_ts_out=False)
    data = adds(3).tobytes() + other_record() + adds(2).tobytes() + b"xx"
    first = scanner.take(data, 0, 10)
    assert (len(first.records), first.position) == (3, 168)
    second = scanner.take(data, first.position, 10)
    assert (len(second.records), second.skipped, second.position) == (2, [168], 360)
    with pytest.raises(Damage, match="unknown type 120"):
        scanner.take(data, second.position, 10)
