"""A recorded day as a live market: planned from its records, played by simulated participants."""
