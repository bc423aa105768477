"""Admin pages by which operators act: a form, then what it would do in words, then the act.

Nothing happens before the second page is confirmed. What the service says against it (a
``VenueError``) appears in the form.
"""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from orderbook.errors import VenueError

TEMPLATE = "admin/operator_page.html"
CONFIRMED = "confirmed"


def operator_page(
    request: HttpRequest,
    page_of: "ModelAdmin[Any]",
    *,
    title: str,
    form: forms.Form,
    describe: Callable[[dict[str, Any]], list[str]],
    carry_out: Callable[[dict[str, Any]], str],
    back: str,
    intro: tuple[str, ...] = (),
) -> HttpResponse:
    """``describe`` says what the cleaned form would do, ``carry_out`` does it and says what came of
    it; both may raise VenueError. ``back``: the address that it leads to."""
    steps: list[str] = []
    if request.method == "POST" and form.is_valid():
        try:
            if CONFIRMED in request.POST:
                messages.success(request, carry_out(form.cleaned_data))
                return redirect(back)
            steps = describe(form.cleaned_data)
        except VenueError as error:
            show_error(error, form)
    context = {
        **page_of.admin_site.each_context(request),
        "title": title,
        "form": form,
        "steps": steps,
        "intro": intro,
        "back": back,
        "confirmed_name": CONFIRMED,
        "opts": page_of.model._meta,
    }
    return TemplateResponse(request, TEMPLATE, context)


def show_error(error: VenueError, form: forms.Form) -> None:
    form.add_error(error.field if error.field in form.fields else None, error.message)


class NothingAsked(forms.Form):
    """For pages on which there is nothing to fill in."""
