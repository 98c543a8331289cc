"""The way from the method ``plot`` of a result to the function that draws it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def drawn(result: Any, ax: Axes | None, **options: Any) -> Any:
    """Draw a result by ``ldosml.plotting.plot``.

    Results lie in layers below the figures and must not import them. The package itself stands outside of the layers;
    its names are lazy, and the figures are imported when the first result is drawn.
    """
    import ldosml

    return ldosml.plotting.plot(result, ax, **options)
