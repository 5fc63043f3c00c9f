"""Found by hitl at start-up; imports every example so that it registers."""

from project.examples import refund

__all__ = ["refund"]
