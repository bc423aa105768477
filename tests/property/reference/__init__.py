"""A naive venue, the oracle for the engine. Written from the rules, for clarity only.

It shares the vocabulary (commands, events, codes, units) with the core and none of its code. There
is one plain list of open orders, which is scanned and sorted on every use; what is held, what is
due and what a book would trade is worked out anew each time. Each file is one subject, and each
class builds on the one before: state, endings, matching, phases, entry, rules, lists, triggers,
changes, accounts, time; ``venue.ReferenceVenue`` is all of them.
"""
