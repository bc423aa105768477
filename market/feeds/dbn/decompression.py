"""The bytes inside a zstd file of any number of frames, in pieces of bounded size."""

import mmap
from collections.abc import Iterator
from typing import Final

import zstandard

from market.feeds.dbn.mapping import Release
from market.feeds.dbn.metadata import Damage

ZSTD_MAGIC: Final = bytes.fromhex("28b52ffd")
_INPUT_BYTES: Final = 4096
"""At a time: so little because a few bytes can stand for a block of 128 KiB. Thus no file, however
it was made, yields a piece larger than about 128 MiB; a usual one yields 50 KB."""


class CompressionDamage(Damage):
    """Its offset is one of the compressed file."""


def decompressed(data: mmap.mmap) -> Iterator[bytes]:
    """Pieces in order, none empty. Raises CompressionDamage after what could be read before it."""
    decompressor = zstandard.ZstdDecompressor()
    frame = decompressor.decompressobj()
    position = frame_start = 0
    release = Release(data, 0)
    while position < len(data):
        release.behind(position)
        chunk = data[position : position + _INPUT_BYTES]
        try:
            piece = frame.decompress(chunk)
        except (zstandard.ZstdError, MemoryError) as error:
            raise CompressionDamage(f"cannot be decompressed ({error})", position) from error
        position += len(chunk)
        if frame.eof:
            position -= len(frame.unused_data)
            frame = decompressor.decompressobj()
            frame_start = position
        if piece:
            yield piece
    if position != frame_start:
        raise CompressionDamage("ends within a compressed frame", len(data))
