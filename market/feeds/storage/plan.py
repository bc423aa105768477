"""When a feed's records are written; all of it may change between two starts."""

import msgspec


class StoragePlan(msgspec.Struct, frozen=True):
    segment_records: int = 65_536
    commit_records: int = 524_288
    """Most records in one transaction."""
    commit_s: float = 1.0
    """How long a record waits for others before it is stored."""
    first_snapshot_records: int = 65_536
    """Full books are stored after so many records of a run, then after twice as many, and so on."""
    snapshot_records: int = 1_000_000
    snapshot_s: float = 60.0
    """But at the latest after so many records, and after so long if there were any."""
