"""Market-by-order feeds: files streamed, books rebuilt, stored, shown, and replayed as markets.

`dbn` reads and writes files; `transport` carries their records over TCP; `books` builds exact books
from them, fast in `books.fast` and obviously in `books.plain`; `storage` keeps them as time series;
`serving` shows them; `own` records the venue's own markets in the same format and replays recorded
days as markets. Only the processes that build books import numba: nothing that the web imports may.
"""
