"""Measurements of the venue; docs/performance.md says what each one tells."""
