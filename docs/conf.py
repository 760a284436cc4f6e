"""The configuration of Sphinx for `make docs`, which treats every warning as an error."""

from __future__ import annotations

project = "vomap"
author = "the vomap project"
project_copyright = author
extensions = ["myst_parser", "sphinx.ext.graphviz"]
exclude_patterns = ["requirements.txt"]
# Sphinx checks a link to a heading like a link to a file.
myst_heading_anchors = 3
nitpicky = True
html_theme = "furo"
html_title = "vomap"
# `dot` of graphviz draws the pictures when the pages are built. Readers need no JavaScript for them, and no network.
graphviz_output_format = "svg"
# The pages load no files from other hosts.
html_static_path: list[str] = []
