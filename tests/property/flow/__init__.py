"""Random commands that reach a venue's rare states, and the two venues that they are sent to."""
