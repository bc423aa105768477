"""Where a stream's records come from."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from hashlib import blake2b
from pathlib import Path
from typing import Final, Protocol, Self

from market.feeds.dbn.files import DbnFile, open_dbn
from market.feeds.dbn.records import Records
from market.feeds.errors import BadFile

_SAMPLE_BYTES: Final = 65_536


class Source(Protocol):
    """A live source: records as they happen.

    ``FrameServer`` takes one of these where it does not take files. It reads ``batches(0)`` once,
    in a thread of its own, and keeps a bounded part of the past for clients that reconnect.
    """

    @property
    def symbols(self) -> Mapping[int, str]:
        """By instrument id."""

    @property
    def dataset(self) -> str: ...

    @property
    def is_live(self) -> bool:
        """True: what was given once cannot be asked for again."""

    def batches(self, start_record: int) -> Iterator[Records]:
        """Contiguous records of any number, empty ones included; blocks until there are some.
        Its end is the stream's end, a FeedError the stream's error. Arrays that were given stay
        as they are."""

    def close(self) -> None:
        """Makes ``batches`` end soon; called from another thread."""


class FileSource:
    """DBN files, one after the other: each is a stretch of its own in the stream. A context
    manager. Raises BadFile, also where two files name one instrument id differently: the second
    would go on with the books of the first, under one name."""

    def __init__(self, paths: Sequence[Path | str]) -> None:
        if not paths:
            raise ValueError("a source has at least one file")
        with ExitStack() as opened:
            self.files: list[DbnFile] = [opened.enter_context(open_dbn(path)) for path in paths]
            _require_one_name_each(self.files)
            self._opened = opened.pop_all()
        self.paths = [Path(path) for path in paths]

    @property
    def dataset(self) -> str:
        """Those of the files, each once, with a comma between them."""
        return ",".join(dict.fromkeys(file.dataset for file in self.files))

    @property
    def symbols(self) -> Mapping[int, str]:
        return {key: name for file in self.files for key, name in file.symbols.items()}

    @property
    def record_count(self) -> int | None:
        """None where one of the files does not tell."""
        counts = [file.record_count for file in self.files]
        return None if None in counts else sum(count for count in counts if count is not None)

    def fingerprint(self) -> bytes:
        """The same for the same files in the same order, wherever they lie. Read are their sizes,
        beginnings and ends."""
        digest = blake2b(digest_size=16)
        for path in self.paths:
            size = path.stat().st_size
            digest.update(size.to_bytes(8, "little"))
            with path.open("rb") as file:
                digest.update(file.read(_SAMPLE_BYTES))
                file.seek(max(0, size - _SAMPLE_BYTES))
                digest.update(file.read(_SAMPLE_BYTES))
        return digest.digest()

    def close(self) -> None:
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def _require_one_name_each(files: Sequence[DbnFile]) -> None:
    first: dict[int, DbnFile] = {}
    for file in files:
        for instrument_id, name in file.symbols.items():
            other = first.setdefault(instrument_id, file)
            if (before := other.symbols[instrument_id]) != name:
                raise BadFile(
                    f"Instrument {instrument_id} is {before} in {other.path.name} and {name} in "
                    f"{file.path.name}: such files cannot be read as one; take each by itself."
                )
