"""Proof that nothing acknowledged is lost: order flow, SIGKILL at random moments, and an audit.

``flow`` trades through the public API and writes down every answer. ``campaign`` kills and
restarts. ``audit`` reads the journal and the tables afterwards and compares. ``python -m
tests.crash`` runs as many kills as wanted.
"""
