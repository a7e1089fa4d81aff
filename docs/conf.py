"""Sphinx: `sphinx-build -W docs docs/_build`, after `pip install -e '.[docs]'`."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "vae_jax"
author = "The vae_jax authors"
copyright = "2026, The vae_jax authors"
version = release = version_of("vae_jax")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx-mathjax-offline",
    "pages",
    "docstrings",
]
exclude_patterns = ["_build", "_ext", "jupyter_execute", ".jupyter_cache"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "cache"
nb_execution_timeout = 600  # a minute on a quiet machine
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_merge_streams = True

# Fields of several types have the same name.
suppress_warnings = ["ref.python"]
# A single backtick in a docstring is code.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False

html_theme = "sphinx_book_theme"
html_title = "vae_jax"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "show_navbar_depth": 1,
    "home_page_in_toc": False,
    "use_download_button": False,
    "navbar_persistent": [],
}
