"""How Sphinx builds the documentation: `make docs`, which takes every warning for an error."""

from __future__ import annotations

project = "vomap"
author = "the vomap project"
project_copyright = author
extensions = ["myst_parser", "sphinx.ext.graphviz"]
exclude_patterns = ["requirements.txt"]
# A link to a heading is checked as a link to a file is.
myst_heading_anchors = 3
nitpicky = True
html_theme = "furo"
html_title = "vomap"
# `dot` of graphviz draws the pictures when the pages are built. Readers need no JavaScript for them, and no network.
graphviz_output_format = "svg"
# Nothing is fetched when somebody reads it.
html_static_path: list[str] = []
