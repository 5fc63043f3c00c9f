"""Addresses of the API."""

from django.urls import path

from hitl.api.approvals import acts, asking, deciding, delegations
from hitl.api.approvals import views as approvals
from hitl.api.runs import control, output, views
from hitl.api.work import steps

urlpatterns = [
    path("runs/", views.Runs.as_view(), name="api-runs"),
    path("runs/<uuid:pk>/", views.OneRun.as_view(), name="api-run"),
    path("runs/<uuid:pk>/cancel/", control.Cancel.as_view(), name="api-cancel"),
    path("runs/<uuid:pk>/retry/", control.Retry.as_view(), name="api-retry"),
    path("runs/<uuid:pk>/fork/", control.Fork.as_view(), name="api-fork"),
    path("runs/<uuid:pk>/signals/<str:name>/", views.Signals.as_view(), name="api-signals"),
    path("runs/<uuid:pk>/events/<path:key>/", output.OneEvent.as_view(), name="api-event"),
    path("runs/<uuid:pk>/stream/", output.Stream.as_view(), name="api-stream"),
    path("runs/<uuid:pk>/timeline/", output.Timeline.as_view(), name="api-timeline"),
    path("runs/<uuid:pk>/feedback/", output.Opinions.as_view(), name="api-feedback"),
    path("steps/<uuid:pk>/resolve/", control.Resolve.as_view(), name="api-resolve"),
    path("steps/claim/", steps.Claim.as_view(), name="api-claim-step"),
    path("steps/<uuid:pk>/heartbeat/", steps.Heartbeat.as_view(), name="api-heartbeat"),
    path("steps/<uuid:pk>/checkpoint/", steps.Checkpoint.as_view(), name="api-checkpoint"),
    path("steps/<uuid:pk>/stream/", steps.Put.as_view(), name="api-put"),
    path("steps/<uuid:pk>/event/", steps.Publish.as_view(), name="api-publish"),
    path("steps/<uuid:pk>/results/", steps.Results.as_view(), name="api-results"),
    path("steps/<uuid:pk>/wait/", steps.Wait.as_view(), name="api-wait"),
    path("steps/<uuid:pk>/ask/", steps.Ask.as_view(), name="api-ask"),
    path("steps/<uuid:pk>/approve/", steps.Approve.as_view(), name="api-approve"),
    path("steps/<uuid:pk>/complete/", steps.Complete.as_view(), name="api-complete"),
    path("steps/<uuid:pk>/continue/", steps.GoOn.as_view(), name="api-continue"),
    path("steps/<uuid:pk>/fail/", steps.Fail.as_view(), name="api-fail"),
    path("approvals/", approvals.Approvals.as_view(), name="api-approvals"),
    path("approvals/bulk/", deciding.DecideAll.as_view(), name="api-bulk"),
    path("approvals/bulk/preflight/", deciding.Preflight.as_view(), name="api-preflight"),
    path("approvals/<uuid:pk>/", acts.OneApproval.as_view(), name="api-approval"),
    path("approvals/<uuid:pk>/consume/", asking.Consume.as_view(), name="api-consume"),
    path("approvals/<uuid:pk>/result/", asking.Result.as_view(), name="api-result"),
    path("approvals/<uuid:pk>/revise/", asking.Revise.as_view(), name="api-revise"),
    path("approvals/<uuid:pk>/decisions/", deciding.Decisions.as_view(), name="api-decisions"),
    path("approvals/<uuid:pk>/explain/", acts.Explain.as_view(), name="api-explain"),
    path("approvals/<uuid:pk>/claim/", acts.Claim.as_view(), name="api-claim"),
    path("approvals/<uuid:pk>/release/", acts.Release.as_view(), name="api-release"),
    path("approvals/<uuid:pk>/delegate/", acts.Delegate.as_view(), name="api-delegate"),
    path("approvals/<uuid:pk>/assign/", acts.Assign.as_view(), name="api-assign"),
    path("approvals/<uuid:pk>/escalate/", acts.Escalate.as_view(), name="api-escalate"),
    path("approvals/<uuid:pk>/extend/", acts.Extend.as_view(), name="api-extend"),
    path("approvals/<uuid:pk>/remind/", acts.Remind.as_view(), name="api-remind"),
    path("approvals/<uuid:pk>/comments/", acts.Comments.as_view(), name="api-comments"),
    path("approvals/<uuid:pk>/watch/", acts.Watch.as_view(), name="api-watch"),
    path("approvals/<uuid:pk>/withdraw/", acts.Withdraw.as_view(), name="api-withdraw"),
    path("approvals/<uuid:pk>/revoke/", acts.Revoke.as_view(), name="api-revoke"),
    path("approvals/<uuid:pk>/cancel/", acts.CancelRequest.as_view(), name="api-cancel-request"),
    path("step-up/", deciding.ProveYourself.as_view(), name="api-step-up"),
    path("delegations/", delegations.Delegations.as_view(), name="api-delegations"),
    path("delegations/<int:pk>/revoke/", delegations.RevokeDelegation.as_view(), name="api-revoke-delegation"),
]
