"""Checks of market-by-order records and of the books that were built from them."""
