"""Every text of the screens has its German translation, filled in at the same places, and Django reads just these."""

from __future__ import annotations

import pytest

from tests.house.messages import catalogue, compiled, differing, found, of_python, of_template, translated


def test_every_text_is_translated() -> None:
    assert len(found()) > 300
    assert sorted(map(str, found() - translated(catalogue()).keys())) == []


def test_no_translation_outlives_its_text() -> None:
    assert sorted(map(str, {one.id for one in catalogue() if one.id} - found())) == []


def test_a_translation_is_filled_in_where_its_text_is() -> None:
    assert list(differing(translated(catalogue()))) == []


def test_what_django_reads_is_what_was_translated() -> None:
    assert translated(compiled()) == translated(catalogue())


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ('_("a") + gettext("b %(x)s")', {"a", "b %(x)s"}),
        ('ngettext("%(n)d run", "%(n)d runs", n)', {("%(n)d run", "%(n)d runs")}),
        ('x = {"a": _("one" \n "two")}', {"onetwo"}),
        ('"not marked"', set()),
    ],
)
def test_texts_of_modules_are_found(source: str, texts: set[object]) -> None:
    assert of_python(source) == texts


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ('<p>\n  {% translate "a" %}</p>\n\t<b>{{ x|date:_("j M") }}</b>', {"a", "j M"}),
        ("{% blocktranslate trimmed with who=x|who %}\n by\n {{ who }}{% endblocktranslate %}", {"by %(who)s"}),
        (
            "{% blocktranslate count n=n %}{{ n }} a{% plural %}{{ n }} b{% endblocktranslate %}",
            {("%(n)s a", "%(n)s b")},
        ),
        ("it's not marked {# _('nor this') #}", set()),
    ],
)
def test_texts_of_templates_are_found(source: str, texts: set[object]) -> None:
    assert of_template(source) == texts


def test_a_place_that_is_not_filled_in_is_found() -> None:
    assert list(differing({"by %(who)s": "von %(wer)s", "{n} of {all}": "{n} von {all}"})) == ["by %(who)s"]
    assert list(differing({("%(n)d run", "%(n)d runs"): ("ein Lauf", "%(n)d Läufe")})) == [("%(n)d run", "%(n)d runs")]
