"""Door for Celery: thin shells that call one function each. Arguments are ids and names; rows are read anew."""

from __future__ import annotations

from celery import shared_task

from hitl import engine, notifications


@shared_task(name="hitl.work", ignore_result=True)
def work(queue: str) -> int:
    """Run what is ready on a queue."""
    return engine.drain(queue)


@shared_task(name="hitl.deliver", ignore_result=True)
def deliver() -> int:
    """Deliver to people what is due."""
    return notifications.deliver()


@shared_task(name="hitl.deliver_hooks", ignore_result=True)
def deliver_hooks() -> int:
    """Deliver to other programs what is due."""
    return notifications.deliver_hooks()


@shared_task(name="hitl.sweep", ignore_result=True)
def sweep() -> dict[str, int]:
    """Do the periodic duties once."""
    return engine.sweep()
