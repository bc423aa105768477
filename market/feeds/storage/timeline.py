"""Which run tells of which time, where several do: the latest."""

from typing import Final, NamedTuple

from market.feeds.models import Feed, StorageRun

MAX_NS: Final = 2**63 - 1


def storable(moment_ns: int) -> int:
    """The nearest moment that the tables can hold: whoever asks may ask for any."""
    return min(max(moment_ns, 0), MAX_NS)


class Piece(NamedTuple):
    """A time that one run tells of; both ends belong to it."""

    run: StorageRun
    start_ns: int
    end_ns: int


def pieces(feed: Feed, start_ns: int, end_ns: int) -> list[Piece]:
    """In order of time, at most once each moment; moments that no run tells of are left out."""
    start_ns, end_ns = storable(start_ns), storable(end_ns)
    free = [(start_ns, end_ns)]
    found = []
    runs = StorageRun.objects.filter(
        feed=feed, record_count__gt=0, start_ns__lte=end_ns, end_ns__gte=start_ns
    )
    for run in runs.order_by("-number").iterator():
        still_free = []
        for start, end in free:
            first, last = max(start, run.start_ns), min(end, run.end_ns)
            if first > last:
                still_free.append((start, end))
                continue
            found.append(Piece(run, first, last))
            still_free += [(a, b) for a, b in ((start, first - 1), (last + 1, end)) if a <= b]
        free = still_free
        if not free:
            break
    return sorted(found, key=lambda piece: piece.start_ns)


def run_at(feed: Feed, at_ns: int) -> StorageRun | None:
    """The run that tells of the moment; else the one that ended last before it."""
    runs = StorageRun.objects.filter(feed=feed, record_count__gt=0, start_ns__lte=at_ns)
    covering = runs.filter(end_ns__gte=at_ns).order_by("-number").first()
    return covering or runs.order_by("-end_ns", "-number").first()
