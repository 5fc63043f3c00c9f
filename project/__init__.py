"""A deployable project around hitl. Imports everything, is imported by nothing of hitl."""

from project.celery import app as celery_app

__all__ = ["celery_app"]
