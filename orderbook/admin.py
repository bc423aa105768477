"""What all admin pages are made of, and the exchange's own tables: to look at, never to change.

Everything that changes something in the admin site is in the audit record: by ``AuditedAdmin``
where Django's own forms do it, by the services where a command to the engine does.
"""

import textwrap
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import msgspec
from django.contrib import admin
from django.core.paginator import Paginator
from django.db import models
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from orderbook import audit
from orderbook.journal import JournalDamaged, decode_row
from orderbook.models import AuditEntry, Epoch, JournalBatch, ProjectionCursor, Snapshot

MAX_LISTED_ROWS = 10_000
"""Rows that a list pages through; counting all of a large table would take too long."""
LINE_WIDTH = 100
MAX_SHOWN_COMMANDS = 200
"""Commands of a batch that its page decodes."""


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    @cached_property
    def count(self) -> int:
        rows = self.object_list
        assert isinstance(rows, models.QuerySet)
        return int(rows.order_by()[:MAX_LISTED_ROWS].count())


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows that only the venue itself writes."""

    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class AuditedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows that operators change with Django's forms."""

    def audit_details(self, obj: Any) -> dict[str, Any]:
        """What there is to say about a changed row besides the names of the fields."""
        return {}

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self._record(request, "create", obj, message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self._record(request, "change", obj, message)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for obj in queryset:
            self._record(request, "delete", obj, [])
        return super().log_deletions(request, queryset)

    def _record(self, request: HttpRequest, verb: str, obj: Any, message: Any) -> None:
        audit.record(
            request.user,
            f"{self.opts.model_name}.{verb}",
            f"{self.opts.verbose_name} {obj.pk} ({obj})",
            details={"message": message, **self.audit_details(obj)},
        )


def utc(time_ns: int) -> str:
    """For people: to the millisecond."""
    seconds, rest_ns = divmod(time_ns, 10**9)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{rest_ns // 10**6:03d}"


@admin.register(JournalBatch)
class JournalBatchAdmin(ReadOnlyAdmin):
    list_display = ("first_sequence", "last_sequence", "epoch", "time")
    fields = ("first_sequence", "last_sequence", "epoch", "time", "checksum_text", "commands")
    search_fields = ("first_sequence__exact",)
    search_help_text = "The first sequence of a batch."
    ordering = ("-first_sequence",)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[JournalBatch]:
        return super().get_queryset(request).defer("payload")

    @admin.display(description="time (UTC)")
    def time(self, row: JournalBatch) -> str:
        return utc(row.time_ns)

    @admin.display(description="checksum")
    def checksum_text(self, row: JournalBatch) -> str:
        return bytes(row.checksum).hex()

    @admin.display(description="commands and events")
    def commands(self, row: JournalBatch) -> SafeString:
        return format_html("<pre>{}</pre>", _decoded(row))


@admin.register(Snapshot)
class SnapshotAdmin(ReadOnlyAdmin):
    list_display = ("sequence", "time", "hash_text")
    fields = ("sequence", "time", "hash_text")
    ordering = ("-sequence",)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Snapshot]:
        return super().get_queryset(request).defer("state")

    @admin.display(description="time (UTC)")
    def time(self, row: Snapshot) -> str:
        return utc(row.time_ns)

    @admin.display(description="state hash")
    def hash_text(self, row: Snapshot) -> str:
        return bytes(row.state_hash).hex()


@admin.register(Epoch)
class EpochAdmin(ReadOnlyAdmin):
    list_display = ("number", "owner", "started_at")
    fields = list_display
    ordering = ("-number",)


@admin.register(ProjectionCursor)
class ProjectionCursorAdmin(ReadOnlyAdmin):
    list_display = ("name", "sequence")


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("time", "actor_name", "action", "target", "outcome", "sequence")
    fields = (*list_display, "actor_id", "details", "request_id")
    list_filter = ("action", "outcome")
    search_fields = ("actor_name", "target", "request_id")
    search_help_text = "A name, part of what it was done to, or a request id."
    date_hierarchy = "at"
    ordering = ("-at", "-id")

    @admin.display(description="time (UTC)", ordering="at")
    def time(self, row: AuditEntry) -> str:
        return f"{row.at:%Y-%m-%d %H:%M:%S}"


def _decoded(row: JournalBatch) -> str:
    """One line a command, its events indented below it."""
    try:
        batch = decode_row(row)
    except JournalDamaged as error:
        return f"This row cannot be decoded: {error}"
    lines = []
    shown = batch.entries[:MAX_SHOWN_COMMANDS]
    for sequence, entry in enumerate(shown, batch.first_sequence):
        lines += _wrapped(f"{sequence} {_line(entry.command)}", indent=0)
        for event in entry.events:
            lines += _wrapped(_line(event), indent=4)
    if left_out := len(batch.entries) - len(shown):
        lines.append(f"... and {left_out} more commands")
    return "\n".join(lines)


def _wrapped(line: str, *, indent: int) -> list[str]:
    return textwrap.wrap(
        line,
        LINE_WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 8),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _line(value: msgspec.Struct) -> str:
    named = ((name, getattr(value, name)) for name in value.__struct_fields__)
    return " ".join(
        [type(value).__name__, *(f"{name}={getattr(item, 'value', item)}" for name, item in named)]
    )
