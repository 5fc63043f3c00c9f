"""Answers as the API's document describes them: every member, which may be null, and which words there are.

They read nothing; `answers.py` and the views write what is described here, and the schema tests hold the two together.
"""

from __future__ import annotations

from typing import Any

from rest_framework import serializers as f

from hitl.api.shapes import answers
from hitl.states import ApprovalStatus, Verdict

_RISKS = ["low", "medium", "high", "critical"]
_VIA = ["human", "policy", "timeout", "cancel"]


def null(field: type[f.Field[Any, Any, Any, Any]], **options: Any) -> Any:
    """A member that may be null."""
    return field(allow_null=True, **options)


class Approval(answers.ApprovalShape):
    """A request in a list."""

    risk = f.ChoiceField(_RISKS)
    level = f.ChoiceField(["info", "confirm", "verify"])
    decided_via = f.ChoiceField(["", *_VIA, "edit"], allow_blank=True)

    class Meta(answers.ApprovalShape.Meta):
        pass


class Proposed(f.Serializer[Any]):
    """What was proposed, read from the bytes the digest is taken of."""

    type = f.CharField()
    args = f.DictField()
    target = f.CharField()
    impact = f.CharField()
    reversible = f.BooleanField()


class Answer(f.Serializer[Any]):
    """What a question was answered."""

    response = null(f.JSONField)
    comment = f.CharField()
    by = f.CharField()
    decided_at = f.DateTimeField()


class Requirement(f.Serializer[Any]):
    """Why these people are asked; empty where the gate says it itself."""

    policy = f.CharField()
    rule = f.CharField()


class Batch(f.Serializer[Any]):
    """What a request is released together with."""

    id = f.CharField()
    size = null(f.IntegerField)
    release = f.ChoiceField(["each", "all"])
    released = f.BooleanField()


class Change(f.Serializer[Any]):
    """One changed argument."""

    path = f.CharField()
    to = null(f.JSONField)

    def get_fields(self) -> dict[str, Any]:
        """With `from`, which Python has no name for."""
        return {**super().get_fields(), "from": null(f.JSONField)}


class Outcome(f.Serializer[Any]):
    """What came of a request. `notice` is for the model: what was decided, and what to do now."""

    verdict = null(f.ChoiceField, choices=Verdict.values)
    approved = f.BooleanField()
    action_type = f.CharField()
    args = null(f.DictField)
    changes = Change(many=True)
    comment = f.CharField()
    response = null(f.JSONField)
    by = f.ListField(child=f.CharField())
    via = f.ChoiceField(_VIA)
    notice = f.CharField()


class ApprovalDetail(Approval):
    """One request: everything a reviewer must see, and what the one who asks may do. `can` and `acts` hold the reason
    that a verdict or another act is refused for, an empty text where it is possible."""

    response_schema = null(f.DictField)
    editable = null(f.ListField, child=f.CharField())
    types = null(f.JSONField)
    args_schema = null(f.DictField)
    context = null(f.JSONField)
    claimed_by = null(f.CharField)
    edited_by = null(f.CharField)
    requirement = Requirement()
    action = Proposed()
    effective_args = null(f.DictField)
    answer = Answer(allow_null=True)
    external_id = f.CharField()
    batch = Batch(allow_null=True)
    review_url = f.CharField()
    resume_data = null(f.JSONField, help_text="What the agent has kept with it; null for everybody else.")
    outcome = Outcome(allow_null=True, help_text="Null while it is pending, or its batch is not released.")
    stage = f.IntegerField()
    stages = f.IntegerField()
    have = f.IntegerField()
    need = f.IntegerField()
    can = f.DictField(child=f.CharField())
    acts = f.DictField(child=f.CharField())

    class Meta(answers.ApprovalDetail.Meta):
        fields: Any = (*answers.ApprovalDetail.Meta.fields, "stage", "stages", "have", "need", "can", "acts")


class Asked(ApprovalDetail):
    """One request that was made just now."""

    callback_secret = null(f.CharField, help_text="What its callbacks are signed with; null where it has none.")

    class Meta(ApprovalDetail.Meta):
        fields = (*ApprovalDetail.Meta.fields, "callback_secret")


class Taken(f.Serializer[Any]):
    """What came of a request, for the first who asks. With a token: run exactly `outcome.args` now, and report."""

    id = f.UUIDField()
    status = f.ChoiceField(ApprovalStatus.values)
    outcome = Outcome()
    token = null(f.UUIDField)
    report_by = null(f.DateTimeField)
    resume_data = null(f.JSONField)


class Decision(answers.DecisionShape):
    """A recorded decision."""

    edited_args = null(f.DictField)

    class Meta(answers.DecisionShape.Meta):
        pass


class Decided(f.Serializer[Any]):
    """What a decision did; the request is told of as it stands now."""

    decision = Decision()
    approval = f.UUIDField()
    revision = f.IntegerField()
    digest = f.CharField()
    status = f.ChoiceField(ApprovalStatus.values)
    duplicate = f.BooleanField()
    have = f.IntegerField()
    need = f.IntegerField()


class LookedAt(f.Serializer[Any]):
    """One of several requests, and what keeps it from being decided with the others."""

    id = f.UUIDField()
    title = null(f.CharField)
    risk = null(f.ChoiceField, choices=_RISKS)
    digest = null(f.CharField)
    reason = f.CharField()
    detail = f.CharField()


class Result(f.Serializer[Any]):
    """What came of one of several."""

    id = f.UUIDField()
    code = f.CharField()
    reason = f.CharField()
    detail = f.CharField()
    status = null(f.ChoiceField, choices=ApprovalStatus.values)


class LookedAtAll(f.Serializer[Any]):
    """Each of several requests."""

    results = LookedAt(many=True)


class DecidedAll(f.Serializer[Any]):
    """What came of each."""

    results = Result(many=True)


class Cannot(f.Serializer[Any]):
    """Who was asked and cannot, and why."""

    name = f.CharField()
    reason = f.CharField()


class Next(f.Serializer[Any]):
    """What comes by itself."""

    what = f.CharField()
    at = f.DateTimeField()


class Explanation(f.Serializer[Any]):
    """What one can do with a request, and why not."""

    verdicts = f.DictField(child=f.CharField())
    acts = f.DictField(child=f.CharField())
    have = f.IntegerField()
    need = f.IntegerField()
    refusals = f.IntegerField()
    refusals_need = f.IntegerField()
    stage = f.IntegerField()
    stages = f.IntegerField()
    can_still = f.ListField(child=f.CharField())
    cannot = Cannot(many=True)
    satisfiable = f.BooleanField()
    next = Next(many=True)
    stands_for = f.ListField(child=f.CharField())
    sentences = f.DictField(child=f.CharField())


class Remark(answers.CommentShape):
    """A remark."""

    author = f.CharField()

    class Meta(answers.CommentShape.Meta):
        pass


class Delegation(answers.DelegationShape):
    """Who decides in whose place, and how long."""

    class Meta(answers.DelegationShape.Meta):
        pass

    def get_fields(self) -> dict[str, Any]:
        """With `from`, which Python has no name for."""
        return {**super().get_fields(), "from": f.CharField()}
