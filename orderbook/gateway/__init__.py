"""The doors' end of the engine's queue: commands in, replies and published events out."""
