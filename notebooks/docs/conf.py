"""Settings of the documentation: `make docs` builds it from notebooks/ into build/docs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pypandoc

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(HERE / "_extensions"), str(ROOT / "tests" / "benchmarks")]
# nbsphinx runs pandoc, which the package pypandoc-binary brings.
os.environ["PATH"] += os.pathsep + str(Path(pypandoc.get_pandoc_path()).parent)

project = "onchip"
author = "the onchip authors"
copyright = author
html_title = "onchip"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinxarg.ext",
    "sphinx_copybutton",
    "nbsphinx",
    "backticks",
    "docstrings",
    "mathml",
    "measured",
    "systems",
    "rules",
]
root_doc = "docs/index"
exclude_patterns = ["**.ipynb_checkpoints", "docs/_extensions"]
default_role = "py:obj"
smartquotes = False  # what is in quotes is often typed
suppress_warnings = ["ref.python"]  # a name in a docstring may be that of several things

copybutton_prompt_text = "$ "
copybutton_selector = ", ".join(
    f"div.highlight-{language} pre" for language in ("bash", "console", "python", "toml")
)

html_theme = "furo"
html_copy_source = False
html_show_sphinx = False
html_math_renderer = "mathml"
html_static_path = [str(HERE / "_static")]
html_css_files = ["equations.css", "commands.css", "tables.css"]

# Notebooks are shown with the outputs they were committed with; nothing comes from elsewhere.
nbsphinx_execute = "never"
nbsphinx_requirejs_path = ""
nbsphinx_widgets_path = ""

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False


NOTEBOOKS = "/0*"
"""The toctree's pattern for them in index.rst; Sphinx warns of one that matches nothing."""


def setup(app: Any) -> None:
    """Build without notebooks, too."""
    app.connect("source-read", leave_out_missing)


def leave_out_missing(app: Any, docname: str, source: list[str]) -> None:
    """Drop the pattern from the index where there is no notebook."""
    if docname == root_doc and not list(HERE.parent.glob(f"{NOTEBOOKS[1:]}.ipynb")):
        source[0] = source[0].replace(f"   {NOTEBOOKS}\n", "")
