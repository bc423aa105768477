"""The error shape as the API's documentation shows it.

``config/exceptions.py`` writes it; every documented route names the statuses that it may answer:
``@extend_schema(responses={200: ThingSerializer, **ERROR_RESPONSES, **error_responses(404)})``.
"""

from typing import Any

from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers


class ErrorDetailSerializer(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="Stable name of what went wrong.")
    message = serializers.CharField(help_text="What was wrong and what would be right.")
    field = serializers.CharField(required=False, help_text="The input that it is about.")
    request_id = serializers.CharField(allow_blank=True, help_text="Names the request in the logs.")


class ErrorSerializer(serializers.Serializer[Any]):
    error = ErrorDetailSerializer()


_DESCRIPTIONS = {
    400: "The request is malformed or a value is not allowed.",
    401: "The caller did not prove who it is, or its token has expired.",
    403: "The caller may not do this.",
    404: "There is no such thing here, or it is not the caller's.",
    405: "The address does not have this method.",
    406: "Answers are application/json only.",
    409: "It exists already.",
    413: "The body is larger than any request of the venue needs to be.",
    415: "Bodies are application/json only.",
    422: "Understood, and refused by the rules of the venue; the code is the reject code.",
    429: "Too many requests; Retry-After says when to try again.",
    503: "A part of the venue cannot be reached now; Retry-After says when to try again.",
}


def error_responses(*statuses: int) -> dict[int, OpenApiResponse]:
    """The given statuses, each with the error shape as its body."""
    return {
        status: OpenApiResponse(ErrorSerializer, description=_DESCRIPTIONS[status])
        for status in statuses
    }


ERROR_RESPONSES = error_responses(400, 401, 403, 406, 413, 415, 429, 503)
"""What any route may answer; ``error_responses(404, 409, 422)`` adds what one route may."""
