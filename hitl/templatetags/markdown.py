"""What an agent wrote in Markdown, as HTML that only we could have written.

Every tag comes from the tables below and every text is escaped, so there is nothing to sanitise: no attribute, address
or tag of the agent's arrives. Links lead nowhere and say where they would; pictures are not loaded; headings are bold
lines, since only the page has headings. What a renderer would swallow (titles of links, the name of a code block's
language, definitions of references, HTML) stays to be read.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

LONGEST, DEEPEST = 10_000, 40
# It drops what is nested beyond its own limit, so that limit is never reached.
_READER = MarkdownIt("commonmark", {"html": False, "maxNesting": 2 * DEEPEST})
_READER.enable(["table", "strikethrough"]).disable("reference")
_BLOCKS = {"paragraph": "p", "list_item": "li", "blockquote": "blockquote", "th": "th", "td": "td"}
_OTHERS = {
    **{name: name for name in ("em", "strong", "s", "table", "thead", "tbody", "tr")},
    "bullet_list": "ul",
}
_EMPTY = {"softbreak": "br", "hardbreak": "br", "hr": "hr"}
Show = Callable[[str], str]


def rendered(text: str, show: Show) -> str | None:
    """The Markdown as HTML, with `show` for its texts; None where it is too long or too deep to be read as such."""
    if len(text) > LONGEST:
        return None
    tokens = _READER.parse(text)
    inner = [child.level for token in tokens for child in token.children or ()]
    if max([token.level for token in tokens] + inner, default=0) > DEEPEST:
        return None
    return _all(SyntaxTreeNode(tokens).children, show)


def _all(nodes: list[SyntaxTreeNode], show: Show) -> str:
    return format_html_join("", "{}", ((_one(node, show),) for node in nodes))


def _one(node: SyntaxTreeNode, show: Show) -> str:
    if node.type in _EMPTY:
        return format_html("<{}>", _EMPTY[node.type])
    if node.type in ("text", "code_inline", "code_block", "fence"):
        return _words(node, show)
    inner = _all(node.children, show)
    if node.type in _BLOCKS:
        return format_html('<{0} dir="auto">{1}</{0}>', _BLOCKS[node.type], inner)
    if node.type in _OTHERS:
        return format_html("<{0}>{1}</{0}>", _OTHERS[node.type], inner)
    if node.type == "heading":
        return format_html('<p dir="auto"><strong>{}</strong></p>', inner)
    if node.type == "ordered_list":
        return format_html('<ol start="{}">{}</ol>', int(node.attrs.get("start", 1)), inner)
    if node.type in ("link", "image"):
        return _led(node, inner, show)
    return inner


def _words(node: SyntaxTreeNode, show: Show) -> str:
    words = show(node.content)
    if node.type == "text":
        return words
    if node.type == "code_inline":
        return format_html("<code>{}</code>", words)
    name = format_html("<small>{}</small>", show(node.info)) if node.info else ""
    return format_html('{}<pre dir="auto">{}</pre>', name, words)


def _led(node: SyntaxTreeNode, inner: str, show: Show) -> str:
    """The words of a link or a picture, its host or else all of its address, and its title."""
    address = str(node.attrs.get("href" if node.type == "link" else "src", ""))
    title = str(node.attrs.get("title", ""))
    words = inner if node.type == "link" else format_html("[{}: {}]", gettext("picture, not loaded"), inner)
    said = format_html(" “{}”", show(title)) if title else ""
    return format_html('{} <code title="{}">{}</code>{}', words, address, show(_host(address)), said)


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or address
    except ValueError:  # an address that is none
        return address
