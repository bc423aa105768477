"""Why a private server could not be started, in words for the person at the terminal."""


class PrivateServiceError(Exception):
    """The message says what is missing or wrong and what to do about it."""
