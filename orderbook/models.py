"""What the exchange itself keeps in the database: the journal, and what hangs on it.

The first three live in the journal's database (``settings.JOURNAL_DATABASE``), the cursors beside
the projections, so that a cursor moves in the same transaction as the rows it stands for.
"""

from django.db import models


class JournalBatch(models.Model):
    """Commands ``first_sequence`` to ``last_sequence`` with their events, committed as one row.

    The primary key is the fence against a stale leader: its next row has a number already taken.
    """

    first_sequence = models.BigIntegerField(primary_key=True)
    last_sequence = models.BigIntegerField(unique=True)
    epoch = models.BigIntegerField()
    time_ns = models.BigIntegerField()
    payload = models.BinaryField()
    checksum = models.BinaryField(max_length=16)
    """Chained: covers this row and the checksum of the row before it."""

    class Meta:
        verbose_name_plural = "journal batches"

    def __str__(self) -> str:
        return f"{self.first_sequence}-{self.last_sequence}"


class Snapshot(models.Model):
    """The engine's whole state after ``sequence``."""

    sequence = models.BigIntegerField(primary_key=True)
    time_ns = models.BigIntegerField()
    state = models.BinaryField()
    state_hash = models.BinaryField(max_length=32)
    journal_checksum = models.BinaryField(max_length=16)
    """Checksum of the journal row that ends at ``sequence``."""

    def __str__(self) -> str:
        return str(self.sequence)


class Epoch(models.Model):
    """One row for each time that an engine became leader."""

    number = models.BigIntegerField(primary_key=True)
    owner = models.CharField(max_length=128)
    started_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.number} ({self.owner})"


class ProjectionCursor(models.Model):
    """How far a projection has read the journal: every sequence up to and including this one."""

    name = models.CharField(max_length=64, primary_key=True)
    sequence = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name} @ {self.sequence}"


class AuditEntry(models.Model):
    """One thing that an operator did, written when it was done and never changed after.

    Names and ids only, no foreign keys: an entry outlives whom and what it is about.
    """

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    actor_id = models.BigIntegerField()
    actor_name = models.CharField(max_length=150)
    action = models.CharField(max_length=64)
    target = models.CharField(max_length=200)
    details = models.JSONField(default=dict)
    """Parameters, or values before and after."""
    outcome = models.CharField(max_length=200)
    """The word done, or the code of the refusal."""
    sequence = models.BigIntegerField(default=0)
    """Of the command that carried it out; 0 where none was journaled."""
    request_id = models.CharField(max_length=64, blank=True)

    class Meta:
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.actor_name}: {self.action} {self.target}"
