"""How the pages become a site (`make docs`): Sphinx reads them from the repository's root, where the links
between them are right, and a link that leads nowhere is an error."""

project = "dscache"
author = "The dscache authors"
extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = ["*.md", "docs/*.md", "docs/howto/*.md", "bench/README.md"]
html_theme = "furo"
html_title = "dscache"
html_copy_source = False
# Links to headings, as on the pages of a repository.
myst_heading_anchors = 4
# A page may show something as a block of a language that has no colours.
suppress_warnings = ["misc.highlighting_failure"]
