"""The way into an embedded venue from other processes on its machine: management commands.

The venue's channel layers are in its memory. It serves them over a Unix socket in DATA_DIR, and a
command's gateway and feed use a layer that speaks to that socket; nothing else about them differs
from full mode. See docs/adr/0011-commands-reach-an-embedded-venue-over-a-socket.md.
"""
