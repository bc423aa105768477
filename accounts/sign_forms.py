"""allauth's forms in the venue's words; settings.ACCOUNT_FORMS names them."""

from typing import Any

from allauth.account import forms as allauth_forms


class _Labelled:
    """Labels above the fields say everything; placeholders that repeat them go."""

    labels: dict[str, str] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields  # type: ignore[attr-defined]
        for name, field in fields.items():
            field.widget.attrs.pop("placeholder", None)
            field.label = self.labels.get(name, field.label)


class SignInForm(_Labelled, allauth_forms.LoginForm):  # type: ignore[misc]
    labels = {"login": "User name or e-mail address", "remember": "Keep me signed in"}


class SignUpForm(_Labelled, allauth_forms.SignupForm):  # type: ignore[misc]
    labels = {
        "username": "User name",
        "email": "E-mail address",
        "password2": "Password, once more",
    }


class AddEmailForm(_Labelled, allauth_forms.AddEmailForm):  # type: ignore[misc]
    labels = {"email": "E-mail address"}


class ChangePasswordForm(_Labelled, allauth_forms.ChangePasswordForm):  # type: ignore[misc]
    labels = {
        "oldpassword": "Password now",
        "password1": "New password",
        "password2": "New password, once more",
    }


class ResetPasswordForm(_Labelled, allauth_forms.ResetPasswordForm):  # type: ignore[misc]
    labels = {"email": "E-mail address"}


class ResetPasswordKeyForm(_Labelled, allauth_forms.ResetPasswordKeyForm):  # type: ignore[misc]
    labels = {"password1": "New password", "password2": "New password, once more"}


class ReauthenticateForm(_Labelled, allauth_forms.ReauthenticateForm):  # type: ignore[misc]
    pass
