"""Forms of the account pages and the admin site."""

from django import forms


class ProfileForm(forms.Form):
    notify = forms.BooleanField(
        required=False,
        label="Notify me",
        help_text="Of fills, cancels, rejects, deposits and withdrawals.",
    )


class AdjustBalanceForm(forms.Form):
    """Fields of ``services.adjust_balance``; the service checks what the venue's rules are."""

    asset = forms.ChoiceField()
    amount = forms.CharField(
        max_length=40, help_text="A decimal number; begin with a minus to debit the account."
    )
    reason = forms.CharField(max_length=200, help_text="For the audit record.")
    reference = forms.CharField(max_length=64, widget=forms.HiddenInput)

    def __init__(self, *args: object, assets: list[str], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        choices = [(asset, asset) for asset in assets]
        self.fields["asset"].choices = choices  # type: ignore[attr-defined]
