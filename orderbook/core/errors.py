"""The core's exceptions. Each one means a bug or a damaged input, never a refusal by the rules."""


class CoreError(Exception):
    pass


class InvariantBroken(CoreError):
    """Something that must always hold does not. The engine stops; it does not repair itself."""

    def __init__(self, invariant: str, detail: str) -> None:
        super().__init__(f"{invariant} broken: {detail}")
        self.invariant = invariant
        self.detail = detail


class EngineStopped(CoreError):
    """The engine met a failure earlier and takes no further command."""


class SnapshotCorrupt(CoreError):
    """The bytes are no snapshot that this version of the engine wrote."""


def require(condition: bool, invariant: str, detail: str) -> None:
    """Raises InvariantBroken unless the condition holds."""
    if not condition:
        raise InvariantBroken(invariant, detail)
