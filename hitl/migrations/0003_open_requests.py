"""Requests that are open when 0002 arrives: when their stage opened, and in whose inbox they are."""

from django.db import migrations
from django.db.models import F, OuterRef, Subquery


def fill(apps, schema_editor):
    approvals = apps.get_model("hitl", "Approval").objects
    approvals.update(stage_opened_at=F("opened_at"))
    pending = approvals.filter(status="pending", pk=OuterRef("approval"), stage=OuterRef("stage"))
    apps.get_model("hitl", "Assignment").objects.update(due_at=Subquery(pending.values("expires_at")[:1]))


class Migration(migrations.Migration):
    dependencies = [("hitl", "0002_decisions")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
