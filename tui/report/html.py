"""HTML made of text: whatever a name or a message holds becomes text, never markup. Pure; knows no run.

Text is said in the language that is spoken, as on the command line; what is not printable is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from trainctl.tui.plain import printable
from trainctl.tui.spoken import said

VOID = frozenset({"meta", "img", "br", "hr"})


class Html(str):
    """Markup; any other string is text, and is escaped."""

    __slots__ = ()


def text(value: str) -> Html:
    """A string as text of the page."""
    return value if isinstance(value, Html) else Html(escape(said(printable(value))))


def joined(children: Iterable[str], by: str = "") -> Html:
    """Texts and markup, one after the other."""
    return Html(by.join(map(text, children)))


def element(tag: str, *children: str, **attributes: str | int | None) -> Html:
    """An element; an attribute that is None is left out.

    Args:
        tag: its name.
        children: texts and markup.
        attributes: by name; `class_` is class, `aria_label` is aria-label.
    """
    marks = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(printable(str(value)))}"'
        for name, value in attributes.items()
        if value is not None
    )
    inner = "" if tag in VOID else f"{joined(children)}</{tag}>"
    return Html(f"<{tag}{marks}>{inner}")


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, label: str, class_: str = "") -> Html:
    """A table whose first column names the rows; wider than the screen it can be scrolled.

    Args:
        head: texts of the first line.
        rows: of texts or markup, each as long as the head.
        label: what it is, for who cannot see it.
        class_: of the table.
    """
    top = element("tr", *(element("th", cell, scope="col") for cell in head))
    body = [
        element("tr", element("th", row[0], scope="row"), *(element("td", cell) for cell in row[1:])) for row in rows
    ]
    made = element("table", element("thead", top), element("tbody", *body), class_=class_ or None)
    return element("div", made, class_="scroll", role="region", aria_label=said(label), tabindex=0)


def section(name: str, title: str, *children: str) -> Html:
    """A part of the page that the list of contents leads to."""
    return element(
        "section", element("h2", title, id=f"{name}-title"), *children, id=name, aria_labelledby=f"{name}-title"
    )


def pairs(entries: Iterable[tuple[str, str]], class_: str) -> Html:
    """Names and what they stand for."""
    cells = (element("div", element("dt", name), element("dd", value)) for name, value in entries)
    return element("dl", *cells, class_=class_)
