"""Settings of the documentation: ``python -m sphinx -W --keep-going -b html docs docs/_build``."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "_extensions"))

import numpydoc.xref  # noqa: E402

import ldosml  # noqa: E402

project = "ldosml"
author = "the ldosml developers"
copyright = f"2026, {author}"
release = ldosml.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "myst_nb",  # Markdown, and notebooks
    "sphinx_design",
    "mathml",
    "benchmark_table",
    "argument_ranges",
    "command_reference",
]
nitpicky = True  # a reference to a name that does not exist is a warning
exclude_patterns = ["_build", "_templates", "jupyter_execute", "tutorials/*.ipynb"]
templates_path = ["_templates"]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "force"  # whenever its page is made, which Sphinx does when the notebook changes
nb_execution_show_tb = True
nb_execution_timeout = 600  # s, for a cell
nb_merge_streams = True
html_math_renderer = "mathml"

# Pages of a folder are listed when they are there. Sphinx gives this warning no type by which it could be suppressed.
logging.getLogger("sphinx.sphinx.directives.other").addFilter(
    lambda record: "toctree glob pattern" not in record.getMessage()
)

autosummary_generate = True
autodoc_typehints = "none"  # docstrings have the types
# Methods of these classes are documented elsewhere.
FOREIGN = (
    "BaseEstimator",
    "RegressorMixin",
    "MultiOutputMixin",
    "TransformerMixin",
    "_SetOutputMixin",
    "Sequence",
    "object",
)
autodoc_default_options = {
    "members": True,
    "inherited-members": ",".join(FOREIGN),
    "member-order": "bysource",
}
numpydoc_show_class_members = False
numpydoc_xref_param_type = True
numpydoc_xref_ignore = "all"  # words are words, unless they are aliases

OURS = {
    name: f"ldosml.{name}"
    for name in ldosml.__all__
    if isinstance(getattr(ldosml, name), type) and name != "SOAP"  # a method, too
}
OTHERS = {
    "Atoms": "ase.Atoms",
    "DataFrame": "pandas.DataFrame",
    "Figure": "matplotlib.figure.Figure",
}

# Links to other projects need their lists of names, which are fetched: only where there is a network.
ONLINE = os.environ.get("LDOSML_DOCS_ONLINE") == "1"
if not ONLINE:
    numpydoc.xref.DEFAULT_LINKS.clear()  # words such as "sequence", which it links to the documentation of Python
numpydoc_xref_aliases = OURS | (OTHERS if ONLINE else {})
intersphinx_mapping = {
    name: (address, None)
    for name, address in {
        "python": "https://docs.python.org/3/",
        "numpy": "https://numpy.org/doc/stable/",
        "scipy": "https://docs.scipy.org/doc/scipy/",
        "sklearn": "https://scikit-learn.org/stable/",
        "pandas": "https://pandas.pydata.org/docs/",
        "matplotlib": "https://matplotlib.org/stable/",
        "ase": "https://ase-lib.org/",
    }.items()
    if ONLINE
}

sphinx_gallery_conf: dict[str, Any] = {
    "examples_dirs": "../examples",
    "gallery_dirs": "tutorials",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "FileNameSortKey",
    "image_scrapers": ("gallery_figures.scrape",),
    "abort_on_example_error": False,  # each error is a warning, and -W turns it into a failure
    "doc_module": ("ldosml",),
    "capture_repr": ("_repr_html_",),
    "backreferences_dir": "api/examples",
    "reference_url": {"ldosml": None},
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
    "parallel": 2,
}

html_theme = "pydata_sphinx_theme"
html_title = "ldosml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "header_links_before_dropdown": 8,
    "navbar_persistent": ["search-button"],
    "show_prev_next": True,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
html_sidebars = {page: [] for page in ("index", "getting-started", "data", "changes")}  # they have no pages below them


def skipped(app: Any, what: str, name: str, found: Any, skip: bool, options: Any) -> bool | None:
    """Leave out the methods by which scikit-learn routes metadata; each estimator has a dozen of them."""
    routing = name == "get_metadata_routing" or (name.startswith("set_") and name.endswith("_request"))
    return True if routing else None


def setup(app: Any) -> None:
    """Connect the rule above."""
    app.connect("autodoc-skip-member", skipped)
