"""Door of the clients that wait: `uvicorn hitl.longpoll:app`, with `DJANGO_SETTINGS_MODULE` set.

Question it answers: who is to be answered, now that something has moved?
May call: Django itself, for every answer; `models`, to look what has moved.
Never: an answer of its own making but "come again"; a thread, a connection or a transaction for whoever waits.
"""

from typing import Any

from django.core.wsgi import get_wsgi_application


def __getattr__(name: str) -> Any:
    """`app`, made when a server asks for it: Django has to be set up before any of its models is imported."""
    if name != "app":
        raise AttributeError(name)
    application = get_wsgi_application()
    from hitl.longpoll.door import make

    return globals().setdefault("app", make(application))
