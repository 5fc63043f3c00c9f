"""Every compatible address is in the reference with its scope, and the reference names no other."""

from __future__ import annotations

import re

from hitl.api.compat import urls
from tests.house.test_documented import errors, page, section

HEADING = re.compile(r"^### `([A-Z]+ /(?:humanlayer|langsmith)/\S*)`$", re.M)


def endpoints() -> dict[str, str]:
    """Method and address of every compatible endpoint with the scope a key needs."""
    found = {}
    for pattern in urls.urlpatterns:
        address = re.sub(r"<\w+:(\w+)>", r"{\1}", str(pattern.pattern))
        for method, scope in pattern.callback.view_class.scopes.items():
            found[f"{method} /{address}"] = scope
    return found


def test_every_compatible_endpoint_is_documented_with_its_scope() -> None:
    assert sorted(HEADING.findall(page("api"))) == sorted(endpoints())
    for endpoint, scope in endpoints().items():
        assert f"Scope `{scope}`" in section(page("api"), f"`{endpoint}`"), endpoint


def test_the_problems_a_compatible_endpoint_names_exist() -> None:
    for endpoint in endpoints():
        _, _, told = section(page("api"), f"`{endpoint}`").partition("Problems:")
        assert set(re.findall(r"`(\w+)`", told)) - {"agent", "too_soon", "call_id"} <= errors().keys() | {"invalid"}


def test_every_view_has_a_method_for_each_scope_and_none_without() -> None:
    for pattern in urls.urlpatterns:
        view = pattern.callback.view_class
        found = {name.upper() for name in ("get", "post", "put", "patch", "delete") if hasattr(view, name)}
        assert found == set(view.scopes), pattern
