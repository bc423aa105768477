"""A feed that was read and stored, so that its addresses have something to refuse."""

from pathlib import Path

from tests.support.embedded_venue import EmbeddedVenue

FEED_ID = "stored"


def store_feed(venue: EmbeddedVenue, folder: Path) -> str:
    """Its id; one book, 3,000 records, and nothing that reads it now."""
    path = folder / "flow.dbn"
    made = venue.manage("generate_mbo", str(path), "--records", "3000")
    assert made.returncode == 0, made.stderr
    read = venue.manage("run_feed", FEED_ID, str(path), "--engine", "plain")
    assert read.returncode == 0, read.stderr
    return FEED_ID
