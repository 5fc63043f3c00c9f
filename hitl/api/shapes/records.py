"""Shapes of the audit, of workflows, and of what is published from outside."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from hitl.api.shapes.bodies import Closed
from hitl.audit import Report
from hitl.audit.reading import told as told_record
from hitl.definition import Definition, graph, parse
from hitl.models import Workflow

_MOST_PROBLEMS = 100
_WORDS = ("intact", "tampered", "incomplete")


class ActorShape(serializers.Serializer[Any]):
    """Who did it: kind (`user`, `key`, `run` or `system`), id, and the name at the time."""

    kind = serializers.CharField()
    id = serializers.CharField(allow_blank=True)
    name = serializers.CharField(allow_blank=True)


class RecordShape(serializers.Serializer[Any]):
    """One audit record, told from its body, which is what the hash is taken of: whoever puts the members of the body
    together again can check it. `data` is null where the body cannot be read, which verification reports."""

    stream = serializers.CharField()
    seq = serializers.IntegerField()
    at = serializers.CharField(help_text="ISO 8601 in UTC with microseconds, as it was hashed")
    action = serializers.CharField()
    actor = ActorShape()
    subject = serializers.CharField()
    data = serializers.JSONField(allow_null=True)  # type: ignore[assignment]
    correlation = serializers.CharField(allow_blank=True)
    hash = serializers.CharField()
    prev_hash = serializers.CharField(allow_blank=True)

    def to_representation(self, row: Any) -> dict[str, Any]:
        """The body with its hashes."""
        return told_record(row)


class ProblemShape(serializers.Serializer[Any]):
    """Where the record is not whole."""

    stream = serializers.CharField()
    seq = serializers.IntegerField()
    what = serializers.CharField()


class ReportShape(serializers.Serializer[Report]):
    """What verification found; at most a hundred problems are listed, and `problem_count` counts them all."""

    result = serializers.ChoiceField(choices=_WORDS)
    streams = serializers.IntegerField()
    records = serializers.IntegerField()
    problem_count = serializers.IntegerField()
    problems = ProblemShape(many=True)
    unprotected = serializers.ListField(child=serializers.CharField())

    def to_representation(self, report: Report) -> dict[str, Any]:
        """The report."""
        listed = [{"stream": p.stream, "seq": p.seq, "what": p.what} for p in report.problems[:_MOST_PROBLEMS]]
        counts = {"streams": report.streams, "records": report.records, "problem_count": len(report.problems)}
        return {"result": _WORDS[report.code], **counts, "problems": listed, "unprotected": report.unprotected}


class WorkflowShape(serializers.Serializer[Any]):
    """A workflow in the list. `version` is null until its first run has given it a number; `startable` says whether
    the code that runs now has it."""

    name = serializers.CharField()
    title = serializers.CharField(allow_blank=True)
    version = serializers.IntegerField(allow_null=True)
    digest = serializers.CharField()
    startable = serializers.BooleanField()


class VersionShape(serializers.ModelSerializer[Workflow]):
    """One version of a workflow."""

    class Meta:
        model = Workflow
        fields = ("version", "digest", "created_at", "retired_at")


class WorkflowDetail(WorkflowShape):
    """A workflow with its definition, and its versions, the newest first."""

    input_schema = serializers.JSONField(allow_null=True)
    definition = serializers.JSONField()
    graph = serializers.CharField(help_text="Mermaid")
    versions = VersionShape(many=True)


class SetEvent(Closed):
    """PUT /runs/{id}/events/{key}/"""

    value = serializers.JSONField(allow_null=True)


def told(definition: Definition, version: int | None, *, startable: bool) -> dict[str, Any]:
    """A workflow as the list shows it."""
    named = {"name": definition.name, "title": definition.title, "version": version}
    return {**named, "digest": definition.digest, "startable": startable}


def told_whole(definition: Definition, rows: list[Workflow], *, startable: bool) -> dict[str, Any]:
    """A workflow with everything that is known of it."""
    version = next((row.version for row in rows if row.digest == definition.digest), None)
    return {
        **told(definition, version, startable=startable),
        "input_schema": definition.input_schema,
        "definition": parse(definition.body, what="definition"),
        "graph": graph.mermaid(definition),
        "versions": VersionShape(rows, many=True).data,
    }
