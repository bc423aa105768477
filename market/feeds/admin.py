"""Market data feeds in the admin site: to look at, never to change."""

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from market.feeds.models import (
    BookSnapshot,
    Feed,
    FeedInstrument,
    RecordSegment,
    StorageGap,
    StorageRun,
    StoredDay,
)
from orderbook.admin import ReadOnlyAdmin, utc


@admin.register(Feed)
class FeedAdmin(ReadOnlyAdmin):
    list_display = ("id", "title", "dataset", "state", "address", "seen_at")
    fields = (*list_display, "source", "state_text", "number", "created_at", "started_at")
    search_fields = ("id", "title")
    ordering = ("id",)


@admin.register(FeedInstrument)
class FeedInstrumentAdmin(ReadOnlyAdmin):
    list_display = ("symbol", "feed", "publisher_id", "instrument_id")
    fields = list_display
    list_select_related = ("feed",)
    search_fields = ("symbol",)
    ordering = ("feed", "symbol")


class SpanAdmin(ReadOnlyAdmin):
    """Rows with a beginning and an end."""

    @admin.display(description="start (UTC)", ordering="start_ns")
    def start(self, row: Any) -> str:
        return utc(row.start_ns)

    @admin.display(description="end (UTC)", ordering="end_ns")
    def end(self, row: Any) -> str:
        return utc(row.end_ns)


@admin.register(StorageRun)
class StorageRunAdmin(SpanAdmin):
    list_display = ("feed_id", "number", "start", "end", "record_count", "lost_count", "updated_at")
    fields = (*list_display, "first_position", "next_position", "started_at")
    ordering = ("feed", "-number")


@admin.register(StorageGap)
class StorageGapAdmin(SpanAdmin):
    list_display = ("feed_id", "position", "record_count", "reason", "start", "end")
    fields = (*list_display, "run", "created_at")
    list_filter = ("reason",)
    ordering = ("-created_at",)


@admin.register(StoredDay)
class StoredDayAdmin(ReadOnlyAdmin):
    list_display = ("feed_id", "day", "record_count", "record_bytes", "trade_count", "written_at")
    fields = (
        *list_display,
        "bbo_count",
        "bbo_bytes",
        "bar_count",
        "snapshot_count",
        "snapshot_bytes",
    )
    ordering = ("-day", "feed")


@admin.register(RecordSegment)
class RecordSegmentAdmin(SpanAdmin):
    list_display = ("feed_id", "run", "position", "record_count", "start", "end")
    fields = list_display
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[RecordSegment]:
        return super().get_queryset(request).defer("payload")


@admin.register(BookSnapshot)
class BookSnapshotAdmin(ReadOnlyAdmin):
    list_display = ("feed_id", "instrument", "run", "position", "time", "order_count")
    fields = list_display
    list_select_related = ("instrument",)
    ordering = ("-ts_ns", "id")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[BookSnapshot]:
        return super().get_queryset(request).defer("payload")

    @admin.display(description="time (UTC)", ordering="ts_ns")
    def time(self, row: BookSnapshot) -> str:
        return utc(row.ts_ns)
