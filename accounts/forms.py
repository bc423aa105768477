"""Forms of the account pages and the admin site."""

from django import forms


class ProfileForm(forms.Form):
    notify = forms.BooleanField(
        required=False,
        label="Notify me",
        help_text="Of fills, cancels, rejects, deposits and withdrawals.",
    )
