"""Found by hitl at start-up; imports every example so that it registers."""

from project.examples import (
    concurrent_analysis,
    confirm_refund,
    content_review,
    delete_resource,
    durable_agent,
    email_pipeline,
    group_chat,
    handoff,
    incident_plan,
    llm_agent,
    multi_step,
    promotion_pipeline,
    refund,
    safe_agent,
    support_escalation,
    wire_transfer,
)

__all__ = [
    "concurrent_analysis",
    "confirm_refund",
    "content_review",
    "delete_resource",
    "durable_agent",
    "email_pipeline",
    "group_chat",
    "handoff",
    "incident_plan",
    "llm_agent",
    "multi_step",
    "promotion_pipeline",
    "refund",
    "safe_agent",
    "support_escalation",
    "wire_transfer",
]
