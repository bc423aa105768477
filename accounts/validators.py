"""What text from outside may be: names, addresses, passwords."""

import unicodedata

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.utils.deconstruct import deconstructible

MAX_USERNAME_LENGTH = 150
MAX_EMAIL_LENGTH = 254
MAX_PASSWORD_LENGTH = 256
"""Longer ones only make the hash slow."""


@deconstructible
class UsernameValidator(RegexValidator):
    """ASCII, so that no two names look alike; no @, so that no name is another's address."""

    regex = r"\A[A-Za-z0-9][A-Za-z0-9._+-]*\Z"
    message = (
        "A user name has letters, digits and . _ + - only, and begins with a letter or a digit."
    )


def has_control_characters(text: str) -> bool:
    """True also for lone surrogates, which no database can store."""
    return any(unicodedata.category(character) in {"Cc", "Cs"} for character in text)


def refuse_control_characters(text: str) -> None:
    if has_control_characters(text):
        raise ValidationError("Control characters are not allowed.", code="control_characters")
