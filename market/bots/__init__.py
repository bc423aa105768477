"""Simulated participants: they keep a demonstration venue alive, with invented money."""
