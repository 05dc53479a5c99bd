"""What the tests of reports look at: the elements of a page, its pictures, what it refers to."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from figure_checks import PNG

VOID = {"meta", "link", "img", "input", "br", "hr"}
DRAWN = {"line"}
"""Elements that have no content: of HTML, and those that are closed at once in a drawing."""

REFERENCES = ("src", "href", "srcset", "data", "action", "poster", "background", "formaction")


@dataclass
class PageContent(HTMLParser):
    """A page that is read strictly: an element that is not closed in its order is an error."""

    ids: list[str] = field(default_factory=list)
    references: list[str] = field(default_factory=list)
    pictures: list[bytes] = field(default_factory=list)
    texts: dict[str, list[str]] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    @classmethod
    def of(cls, text: str) -> PageContent:
        """What a whole page holds."""
        page = cls()
        page.feed(text)
        page.close()
        assert page.open == [], f"left open: {page.open}"
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self._note(dict(attrs))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in DRAWN | {"polyline"}
        self._note(dict(attrs))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> within {self.open}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and data.strip():
            self.texts.setdefault(self.open[-1], []).append(data)

    def _note(self, given: dict[str, str | None]) -> None:
        if given.get("id"):
            self.ids.append(str(given["id"]))
        for name in REFERENCES:
            if given.get(name):
                self._refer(str(given[name]))

    def _refer(self, url: str) -> None:
        self.references.append(url)
        if url.startswith("data:image/png;base64,"):
            png = base64.b64decode(url.partition(",")[2], validate=True)
            assert png.startswith(PNG) and png.rstrip().endswith(b"IEND\xaeB`\x82")
            self.pictures.append(png)


def require_alone(text: str) -> PageContent:
    """The page's content, once it is sure that it needs nothing from anywhere else."""
    page = PageContent.of(text)
    for url in page.references:
        assert url.startswith(("data:", "#")), url
    targets = {url[1:] for url in page.references if url.startswith("#")}
    assert targets <= set(page.ids) and len(page.ids) == len(set(page.ids))
    for styles in ("@import", "url(", "fetch(", "XMLHttpRequest", "import("):
        assert styles not in text
    assert re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", text) == []
    assert "default-src 'none'" in text
    return page
