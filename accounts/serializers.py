"""Shapes of the accounts API: what comes in, and, apart from it, what goes out."""

from typing import Any

from django.core.validators import RegexValidator
from rest_framework import serializers

from accounts.models import LedgerEntry, Notification
from accounts.validators import (
    MAX_EMAIL_LENGTH,
    MAX_PASSWORD_LENGTH,
    MAX_USERNAME_LENGTH,
    refuse_control_characters,
)

MAX_JWT_LENGTH = 2_048


class TextField(serializers.CharField):
    """A JSON string, and nothing that only looks like one; no control characters."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.validators.append(refuse_control_characters)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class SignUpInput(serializers.Serializer[Any]):
    username = TextField(max_length=MAX_USERNAME_LENGTH)
    email = TextField(max_length=MAX_EMAIL_LENGTH)
    password = TextField(max_length=MAX_PASSWORD_LENGTH, trim_whitespace=False)


class SignInInput(serializers.Serializer[Any]):
    """Either key may hold either, the user's name or its e-mail address."""

    username = TextField(max_length=MAX_EMAIL_LENGTH, required=False)
    email = TextField(max_length=MAX_EMAIL_LENGTH, required=False)
    password = TextField(max_length=MAX_PASSWORD_LENGTH, trim_whitespace=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        login = attrs.get("username") or attrs.get("email")
        if not login:
            raise serializers.ValidationError({"username": "Give username or email."})
        return {"login": login, "password": attrs["password"]}


class RefreshInput(serializers.Serializer[Any]):
    refresh = TextField(max_length=MAX_JWT_LENGTH)


class NotificationsReadInput(serializers.Serializer[Any]):
    up_to = TextField(
        max_length=19,
        trim_whitespace=False,
        validators=[RegexValidator(r"^[0-9]+$", "An id has digits only.")],
        required=False,
        help_text="Id of the newest notification to mark; without it all are marked.",
    )


class TokensOutput(serializers.Serializer[Any]):
    access = serializers.CharField(help_text="Send it as `Authorization: Bearer <access>`.")
    refresh = serializers.CharField(help_text="Gets new access tokens from /token/refresh.")


class AccessOutput(serializers.Serializer[Any]):
    access = serializers.CharField()


class MeOutput(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="Also the account's id in the engine.")
    username = serializers.CharField()
    email = serializers.EmailField()
    roles = serializers.ListField(child=serializers.CharField())
    notify = serializers.BooleanField()
    date_joined = serializers.DateTimeField()


class BalanceOutput(serializers.Serializer[Any]):
    asset = serializers.CharField()
    available = serializers.CharField(help_text="Decimal string.")
    held = serializers.CharField(help_text="Decimal string: held for open orders.")
    total = serializers.CharField(help_text="Decimal string: available and held.")


class BalancesOutput(serializers.Serializer[Any]):
    results = BalanceOutput(many=True)


class LedgerEntryOutput(serializers.Serializer[Any]):
    id = serializers.CharField()
    sequence = serializers.IntegerField(help_text="Journal sequence of the command.")
    time = serializers.DateTimeField()
    asset = serializers.CharField()
    amount = serializers.CharField(help_text="Decimal string; negative: what went out.")
    kind = serializers.ChoiceField(LedgerEntry.Kind.choices)
    reference = serializers.CharField(
        allow_blank=True, help_text="The trade's id, or the reference of the deposit."
    )


class NotificationOutput(serializers.Serializer[Any]):
    id = serializers.CharField()
    time = serializers.DateTimeField()
    kind = serializers.ChoiceField(Notification.Kind.choices)
    title = serializers.CharField()
    message = serializers.CharField(allow_blank=True)
    details = serializers.DictField(help_text="What the title is made of; depends on the kind.")
    read = serializers.BooleanField()


class UnreadOutput(serializers.Serializer[Any]):
    unread = serializers.IntegerField()
