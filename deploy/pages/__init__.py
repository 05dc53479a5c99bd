"""Reports of what was learned, each one page in HTML, the demo's in Markdown, too."""
