"""The accounts API: thin views over services and selectors."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import presentation, selectors, services, tokens
from accounts.limits import count_attempt
from accounts.models import LedgerEntry, User
from accounts.serializers import (
    AccessOutput,
    BalancesOutput,
    LedgerEntryOutput,
    MeOutput,
    NotificationOutput,
    NotificationsReadInput,
    RefreshInput,
    SignInInput,
    SignUpInput,
    TokensOutput,
    UnreadOutput,
)
from orderbook.core.text import is_asset
from orderbook.errors import InvalidInput
from orderbook.gateway.pagination import PAGE_PARAMETERS, page_request, page_schema
from orderbook.gateway.schema import ERROR_RESPONSES, error_responses


class OpenView(APIView):
    """For callers who have no token yet."""

    authentication_classes = ()
    permission_classes = (AllowAny,)


class SignUpView(OpenView):
    @extend_schema(
        tags=["accounts"],
        operation_id="signup",
        summary="Create a trader",
        request=SignUpInput,
        responses={201: TokensOutput, **ERROR_RESPONSES, **error_responses(409)},
    )
    def post(self, request: Request) -> Response:
        given = SignUpInput(data=request.data)
        given.is_valid(raise_exception=True)
        count_attempt(request._request, "signup_address")
        user = services.sign_up(request._request, **given.validated_data)
        return Response(tokens.issue_tokens(user)._asdict(), status=201)


class SignInView(OpenView):
    @extend_schema(
        tags=["accounts"],
        operation_id="signin",
        summary="Get tokens for a name or e-mail address and a password",
        request=SignInInput,
        responses={200: TokensOutput, **ERROR_RESPONSES},
    )
    def post(self, request: Request) -> Response:
        given = SignInInput(data=request.data)
        given.is_valid(raise_exception=True)
        login, password = given.validated_data["login"], given.validated_data["password"]
        count_attempt(request._request, "signin_address")
        count_attempt(request._request, "signin_name", who=login.strip().lower())
        user = services.sign_in(login=login, password=password)
        services.require_verified_email(user)
        return Response(tokens.issue_tokens(user)._asdict())


class TokenRefreshView(OpenView):
    @extend_schema(
        tags=["accounts"],
        operation_id="token_refresh",
        summary="Get a new access token",
        request=RefreshInput,
        responses={200: AccessOutput, **ERROR_RESPONSES},
    )
    def post(self, request: Request) -> Response:
        given = RefreshInput(data=request.data)
        given.is_valid(raise_exception=True)
        return Response({"access": tokens.refresh_access(given.validated_data["refresh"])})


class MeView(APIView):
    @extend_schema(
        tags=["accounts"],
        operation_id="me",
        summary="The signed-in user",
        responses={200: MeOutput, **ERROR_RESPONSES},
    )
    def get(self, request: Request) -> Response:
        user = _user(request)
        body = {
            "id": str(user.pk),
            "username": user.username,
            "email": user.email,
            "roles": selectors.roles_of(user),
            "notify": user.notify,
            "date_joined": user.date_joined,
        }
        return Response(MeOutput(body).data)


class BalancesView(APIView):
    @extend_schema(
        tags=["accounts"],
        operation_id="balances",
        summary="The caller's balances",
        responses={200: BalancesOutput, **ERROR_RESPONSES},
    )
    def get(self, request: Request) -> Response:
        balances = selectors.balances_of(_user(request).pk)
        return Response({"results": presentation.balance_rows(balances)})


class LedgerView(APIView):
    @extend_schema(
        tags=["accounts"],
        operation_id="ledger",
        summary="Every movement of the caller's money, newest first",
        parameters=[
            OpenApiParameter("asset", OpenApiTypes.STR, description="Only this asset."),
            OpenApiParameter(
                "kind", enum=LedgerEntry.Kind.values, description="Only this kind of movement."
            ),
            *PAGE_PARAMETERS,
        ],
        responses={200: page_schema("LedgerPage", LedgerEntryOutput), **ERROR_RESPONSES},
    )
    def get(self, request: Request) -> Response:
        page = selectors.ledger_of(
            _user(request).pk, page_request(request.query_params), ledger_filter(request.GET)
        )
        rows = presentation.ledger_rows(page.results)
        return Response(page.body(list(LedgerEntryOutput(rows, many=True).data)))


class NotificationsView(APIView):
    @extend_schema(
        tags=["accounts"],
        operation_id="notifications",
        summary="What the caller should hear of, newest first",
        parameters=PAGE_PARAMETERS,
        responses={200: page_schema("NotificationPage", NotificationOutput), **ERROR_RESPONSES},
    )
    def get(self, request: Request) -> Response:
        user = _user(request)
        page = selectors.notifications_of(user, page_request(request.query_params))
        rows = presentation.notification_rows(user, page.results)
        return Response(page.body(list(NotificationOutput(rows, many=True).data)))


class NotificationsReadView(APIView):
    @extend_schema(
        tags=["accounts"],
        operation_id="notifications_read",
        summary="Mark notifications as read",
        request=NotificationsReadInput,
        responses={200: UnreadOutput, **ERROR_RESPONSES},
    )
    def post(self, request: Request) -> Response:
        given = NotificationsReadInput(data=request.data)
        given.is_valid(raise_exception=True)
        user, up_to = _user(request), given.validated_data.get("up_to")
        services.mark_notifications_read(user, None if up_to is None else int(up_to))
        return Response({"unread": selectors.unread_count(user)})


def ledger_filter(params: Any) -> selectors.LedgerFilter:
    """Reads ``asset`` and ``kind``. Raises InvalidInput."""
    asset, kind = params.get("asset"), params.get("kind")
    if asset is not None and not is_asset(asset):
        raise InvalidInput("No asset has this code.", field="asset")
    if kind is not None and kind not in LedgerEntry.Kind.values:
        raise InvalidInput(f"kind is one of {', '.join(LedgerEntry.Kind.values)}.", field="kind")
    return selectors.LedgerFilter(asset, kind)


def _user(request: Request) -> User:
    assert isinstance(request.user, User)
    return request.user
