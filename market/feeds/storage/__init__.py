"""Feeds as time series in the database: written beside the book, never in its way."""
