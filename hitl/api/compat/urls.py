"""Addresses of the compatible doors, as those clients know them: without a slash at their end."""

from django.urls import path

from hitl.api.compat import humanlayer, langsmith

_HUMANLAYER = "humanlayer/v1"
urlpatterns = [
    path(f"{_HUMANLAYER}/function_calls", humanlayer.FunctionCalls.as_view()),
    path(f"{_HUMANLAYER}/function_calls/<str:call_id>", humanlayer.OneFunctionCall.as_view()),
    path(f"{_HUMANLAYER}/contact_requests", humanlayer.Contacts.as_view()),
    path(f"{_HUMANLAYER}/contact_requests/<str:call_id>", humanlayer.OneContact.as_view()),
    path(f"{_HUMANLAYER}/agent/function_calls/<str:call_id>/respond", humanlayer.Respond.as_view()),
    path(f"{_HUMANLAYER}/agent/function_calls/<str:call_id>/escalate_email", humanlayer.EscalateCall.as_view()),
    path(f"{_HUMANLAYER}/agent/human_contacts/<str:call_id>/respond", humanlayer.Respond.as_view()),
    path(f"{_HUMANLAYER}/agent/human_contacts/<str:call_id>/escalate_email", humanlayer.EscalateContact.as_view()),
    path("langsmith/info", langsmith.Info.as_view()),
    path("langsmith/feedback", langsmith.GiveFeedback.as_view()),
]
