"""The filters for agents' text: chips in escaped text, words that read like others, Markdown that does nothing."""

from __future__ import annotations

import html
import re

import nh3
import pytest
from django.utils.safestring import SafeString
from hypothesis import given
from hypothesis import strategies as st

from hitl.templatetags.hitl_text import agent_text, reveal, visible, who

TAGS = {"p", "em", "strong", "s", "ul", "ol", "li", "blockquote", "table", "thead", "tbody", "tr", "th", "td", "pre"}
TAGS |= {"code", "small", "br", "hr", "span", "bdi"}
ATTRIBUTES = {"*": {"dir", "class", "title"}, "ol": {"start"}}
WORDS = st.lists(
    st.sampled_from(
        [
            "<",
            ">",
            "&",
            '"',
            "'",
            "`",
            "*",
            "_",
            "#",
            "-",
            "+",
            "!",
            "[",
            "]",
            "(",
            ")",
            ":",
            "/",
            "\\",
            "|",
            "~",
            "=",
            "<b>",
            "<script>",
            "onload=",
            "javascript:",
            "data:",
            "https://evil.example",
            "//evil",
            "![",
            "](",
            "[a](b)",
            "<a:b>",
            "```",
            "~~~",
            "\n",
            "\n\n",
            "\t",
            "1.",
            ">",
            "|",
            "a",
            "b",
            "word",
            "&#60;",
            "&lt;",
            "\u200b",
            "\u202e",
            "аa",
            "א",
        ]
    )
)


def sanitised(text: str) -> str:
    """What a sanitiser leaves of it, which knows only the tags that we write."""
    return nh3.clean(text, tags=TAGS, attributes=ATTRIBUTES, link_rel=None)


def words(text: str) -> str:
    """What a browser shows of it, without blanks."""
    return "".join(html.unescape(re.sub("<[^>]*>", "", text)).split())


def test_what_cannot_be_seen_is_a_chip_with_its_name() -> None:
    assert reveal("a\u200bb") == 'a<span class="cp" title="ZERO WIDTH SPACE">U+200B</span>b'
    assert 'title="a character without a name">U+001B<' in reveal("\x1b[31m")
    assert reveal("<b>&\"'") == "&lt;b&gt;&amp;&quot;&#x27;"


def test_many_in_a_row_are_one_chip_with_their_number() -> None:
    hidden = "".join(chr(0xE0000 + ord(char)) for char in "ignore the amount")
    assert reveal(f"a{hidden}") == 'a<span class="cp">17 hidden characters, U+E0069 to U+E0074</span>'


def test_a_word_that_reads_like_another_says_so() -> None:
    said = '<span class="cp" title="CYRILLIC SMALL LETTER A">looks like: paypal · has Cyrillic \u0430</span>'
    assert reveal("at p\u0430ypal.com") == f'at <span class="mixed">p\u0430ypal {said}</span>.com'


def test_words_from_right_to_left_do_not_move_those_beside_them() -> None:
    assert reveal("שלום 5") == "<bdi>שלום 5</bdi>"


def test_what_a_filter_has_escaped_is_not_escaped_again() -> None:
    assert reveal(SafeString("O&#x27;Brien, <b>")) == "O&#x27;Brien, &lt;b&gt;"


def test_a_page_of_chips_stays_small() -> None:
    assert len(reveal("\u200ba" * 2000)) < 2000 * 40
    assert len(reveal("p\u0430y " * 2000)) < 2000 * 40


def test_plain_text_stays_plain() -> None:
    assert visible("<b>\u200b") == "<b>⟦U+200B⟧"
    assert not isinstance(visible("<b>"), SafeString)
    assert who(None) == ""


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("# Big\nnews", '<p dir="auto"><strong>Big</strong></p><p dir="auto">news</p>'),
        ("*a* **b** ~~c~~ `d`", '<p dir="auto"><em>a</em> <strong>b</strong> <s>c</s> <code>d</code></p>'),
        ("5. five", '<ol start="5"><li dir="auto"><p dir="auto">five</p></li></ol>'),
        ("- a", '<ul><li dir="auto"><p dir="auto">a</p></li></ul>'),
        ("a\nb", '<p dir="auto">a<br>b</p>'),
        (
            "[Our bank](https://evil.example/login)",
            '<p dir="auto">Our bank <code title="https://evil.example/login">evil.example</code></p>',
        ),
        ("[x](http://[no)", '<p dir="auto">x <code title="http://%5Bno">%5Bno</code></p>'),
        (
            "[x](/review/logout/ 'now')",
            '<p dir="auto">x <code title="/review/logout/">/review/logout/</code> “now”</p>',
        ),
        (
            "![cat](https://evil.example/pixel.png)",
            '<p dir="auto">[picture, not loaded: cat] <code title="https://evil.example/pixel.png">evil.example</code></p>',
        ),
        ("[x](javascript:alert(1))", '<p dir="auto">[x](javascript:alert(1))</p>'),
        ("<img src=x onerror=alert(1)>", '<p dir="auto">&lt;img src=x onerror=alert(1)&gt;</p>'),
        ("```js\n<b>\n```", '<small>js</small><pre dir="auto">&lt;b&gt;\n</pre>'),
        ("[a]: https://evil.example 'b'", '<p dir="auto">[a]: https://evil.example &#x27;b&#x27;</p>'),
        ("&#x200b;", '<p dir="auto"><span class="cp" title="ZERO WIDTH SPACE">U+200B</span></p>'),
        (
            "[p](https://p\u0430y.example)",
            '<p dir="auto">p <code title="https://xn--py-7kc.example">xn--py-7kc.example</code></p>',
        ),
    ],
)
def test_markdown_is_read_and_does_nothing(text: str, seen: str) -> None:
    assert agent_text(text) == seen


@pytest.mark.parametrize("text", ["> " * 60 + "deep", "- " * 30 + "[a" * 60, "*a " * 60 + "b" + "*" * 60, "x" * 10_001])
def test_what_is_too_deep_or_too_long_is_shown_as_it_is(text: str) -> None:
    assert words(agent_text(text)) == text.replace(" ", "")


@given(st.one_of(WORDS.map(" ".join), WORDS.map("".join), st.text()))
def test_a_sanitiser_finds_nothing_to_take_away(text: str) -> None:
    for shown in (agent_text(text), reveal(text)):
        assert words(sanitised(shown)) == words(shown)
        assert sorted(re.findall(r"<[a-z]+", sanitised(shown))) == sorted(re.findall(r"<[a-z]+", shown))


@given(st.lists(st.sampled_from(["> ", "- ", "1. ", "*", "**", "[", "](u)", "`", "#", "\n", "\n\n", "    ", "|"])))
def test_no_word_is_swallowed(text: list[str]) -> None:
    marked = "".join(f"{sign}w{at}x" for at, sign in enumerate(text))
    shown = words(agent_text(marked))
    assert [at for at in range(len(text)) if f"w{at}x" not in shown] == []
