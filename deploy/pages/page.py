"""A report as one HTML page that needs nothing beside it: no file, no network."""

from __future__ import annotations

import html

from onchip.deploy.pages.document import Document, Section, inline
from onchip.deploy.pages.page_style import SCRIPT, STYLE

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
"""What a browser may load for the page: nothing from anywhere."""


def as_html(document: Document) -> str:
    """Return the whole page."""
    named = [(f"part{i}", section) for i, section in enumerate(document.sections, start=1)]
    links = " ".join(f'<a href="#{name}">{inline(s.title)}</a>' for name, s in named)
    lead = "\n".join(block.html() for block in document.lead)
    body = "\n".join(_section(name, section) for name, section in named)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{html.escape(document.title)}</title>\n<style>{STYLE}</style></head>\n"
        f"<body><h1>{inline(document.title)}</h1>\n{lead}\n<nav>{links}</nav>\n{body}\n"
        f"<script>{SCRIPT}</script></body></html>\n"
    )


def _section(name: str, section: Section) -> str:
    blocks = "\n".join(block.html() for block in section.blocks)
    return f'<section id="{name}"><h2>{inline(section.title)}</h2>\n{blocks}</section>'
