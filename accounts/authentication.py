"""How a REST caller proves who it is: a bearer token, or the session of a signed-in browser."""

from rest_framework.authentication import (
    BaseAuthentication,
    SessionAuthentication,
    get_authorization_header,
)
from rest_framework.request import Request

from accounts.errors import TokenInvalid
from accounts.models import User
from accounts.tokens import authenticate_bearer


class BearerAuthentication(BaseAuthentication):
    """``Authorization: Bearer <access token>``, by the same function as the hot order routes."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        header = get_authorization_header(request)
        if not header.lower().startswith(b"bearer"):
            return None
        user_id = authenticate_bearer(header)
        user = User.objects.filter(pk=user_id, is_active=True).first()
        if user is None:
            raise TokenInvalid
        return user, None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class BrowserSessionAuthentication(SessionAuthentication):
    """The session cookie, with Django's CSRF check on unsafe methods."""
