"""The venue as a feed: its own markets recorded, recorded days replayed as its markets."""
