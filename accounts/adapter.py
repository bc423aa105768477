"""Lets the sign-up pages use the same service as the API."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from django.contrib import messages
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts import services
from accounts.models import User
from orderbook.errors import VenueError


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def save_user(
        self, request: HttpRequest, user: Any, form: BaseForm, commit: bool = True
    ) -> Any:
        """The form has checked all of it; only someone quicker can still have taken the name."""
        data = form.cleaned_data
        try:
            return services.register_trader(
                username=data["username"], email=data["email"], password=data["password1"]
            )
        except VenueError as error:
            messages.error(request, error.message)
            raise ImmediateHttpResponse(redirect("account_signup")) from error

    def clean_password(self, password: str, user: Any = None) -> str:
        services.check_password_text(password)
        return str(super().clean_password(password, user))

    def post_login(self, request: HttpRequest, user: Any, **kwargs: Any) -> HttpResponse:
        assert isinstance(user, User)
        services.settle_if_possible(user)
        response: HttpResponse = super().post_login(request, user, **kwargs)
        return response
