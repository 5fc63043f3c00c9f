"""What is there when 0002 arrives: when stages opened, in whose inbox requests are, and by whom voters were asked."""

from django.db import migrations
from django.db.models import F, OuterRef, Subquery
from django.db.models.functions import Coalesce


def fill(apps, schema_editor):
    approvals = apps.get_model("hitl", "Approval").objects
    approvals.update(stage_opened_at=F("opened_at"))
    pending = approvals.filter(status="pending", pk=OuterRef("approval"), stage=OuterRef("stage"))
    assignments = apps.get_model("hitl", "Assignment").objects
    assignments.update(due_at=Subquery(pending.values("expires_at")[:1]))
    here = assignments.filter(approval=OuterRef("approval"), stage=OuterRef("stage"))
    by_name = here.filter(user=OuterRef("actor")).order_by("pk").values("pk")[:1]
    by_group = here.filter(group__isnull=False).order_by("pk").values("pk")[:1]
    votes = apps.get_model("hitl", "Decision").objects.filter(assignment=None)
    votes.update(assignment=Coalesce(Subquery(by_name), Subquery(by_group)))


class Migration(migrations.Migration):
    dependencies = [("hitl", "0002_decisions")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
