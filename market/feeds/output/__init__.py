"""What is written of books that were built: documents, snapshots on the way, MBP-10 events."""
