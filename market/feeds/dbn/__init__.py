"""DBN files: records as they lie in memory, reading, writing, and synthetic ones."""
