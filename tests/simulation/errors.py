"""What a run can end with."""


class Violation(Exception):
    """A promise of the venue was broken. ``invariant``: I1 to I9, "liveness", or
    "rules" for a rule of the market that is none of these."""

    def __init__(self, invariant: str, detail: str) -> None:
        super().__init__(f"{invariant}: {detail}")
        self.invariant = invariant
        self.detail = detail


def require(condition: bool, invariant: str, detail: str) -> None:
    if not condition:
        raise Violation(invariant, detail)
