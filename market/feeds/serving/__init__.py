"""Feeds shown live: publication to web processes, pages, REST and stream channels."""
