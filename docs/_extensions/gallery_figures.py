"""The figures of an example for its page: those that its variables hold, whether pyplot knows them or not."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst

_shown: WeakSet[Figure] = WeakSet()


def scrape(block: tuple[Any, ...], block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Save the figures that a block of code made, and give the reStructuredText that shows them."""
    paths = []
    for name, value in block_vars["example_globals"].items():
        if isinstance(value, Figure) and not name.startswith("_") and value not in _shown:
            path = next(block_vars["image_path_iterator"])
            value.savefig(path, dpi=150)
            _shown.add(value)
            paths.append(path)
    return figure_rst(paths, gallery_conf["src_dir"])
