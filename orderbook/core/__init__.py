"""The exchange's pure core: commands in, events out, no I/O, clock, randomness or float."""
