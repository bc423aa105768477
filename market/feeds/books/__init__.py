"""Exact books from market-by-order records: one contract, a plain and a fast implementation."""
