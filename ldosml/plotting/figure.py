"""Figures that a notebook shows."""

from __future__ import annotations

import matplotlib.figure

from ldosml.plotting.files import png

_SHARP = 2  # pixels of the picture for each pixel of the page, along either side


class Figure(matplotlib.figure.Figure):
    """matplotlib's figure, shown at the end of a notebook cell.

    matplotlib shows a figure in a notebook only after pyplot was imported or ``%matplotlib inline`` was run. Where one
    of them was, IPython uses the format chosen there and not this one, so no figure appears twice.
    """

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """Content of a PNG file, and its size on the page in pixels."""
        width, height = self.get_size_inches() * self.dpi
        return png(self, _SHARP * self.dpi), {"width": round(width), "height": round(height)}
