"""What a notebook shows of a result: its facts in a table, and curves as a small SVG picture.

No picture library is imported, and the cost does not grow with the result: see ``few_rows``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_MOST_CURVES = 6
_WIDTH, _HEIGHT = 420, 130  # pixels, the height without what stands above and below the curves
_LEFT, _RIGHT, _ABOVE, _BELOW = 8, 8, 20, 18  # pixels around the curves
_LINE = 13  # pixels for the name of a curve
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # of Okabe and Ito
_CELL = "text-align:left;padding:1px 8px;vertical-align:top"
_SIDE_BY_SIDE = "display:flex;flex-wrap:wrap;gap:16px;align-items:flex-start"


def page(title: str, facts: Mapping[str, object], *parts: str) -> str:
    """A heading, a table of facts, and parts that are HTML already. Texts may hold anything: they are escaped."""
    rows = "".join(f"<tr>{_cell('th', name)}{_cell('td', value)}</tr>" for name, value in facts.items())
    wide = "".join(f'<div style="max-width:100%;overflow-x:auto">{part}</div>' for part in parts)
    return f'<div><strong>{escape(title)}</strong><div style="{_SIDE_BY_SIDE}"><table>{rows}</table>{wide}</div></div>'


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, most: int = 10) -> str:
    """A table with a header; of more than ``most`` rows the first, and how many follow. Numbers have 4 digits."""
    rows = list(rows)
    head = "".join(_cell("th", column) for column in columns)
    shown = rows if len(rows) <= most + 1 else rows[:most]
    body = "".join(f"<tr>{''.join(_cell('td', cell) for cell in row)}</tr>" for row in shown)
    if len(rows) > len(shown):
        body += f"<tr>{_cell('td', f'and {len(rows) - len(shown)} more rows', len(columns))}</tr>"
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def records_table(records: Sequence[Mapping[str, object]]) -> str:
    """The same of dicts that all have the same keys, without columns that are empty; empty where there are none."""
    columns = [name for name in (records[0] if records else ()) if any(_text(one[name]) for one in records)]
    return table(columns, [[record[name] for name in columns] for record in records]) if columns else ""


def few_rows(count: int, most: int = 1000) -> NDArray[np.int64]:
    """Indices of at most ``most`` of ``count`` rows, evenly spaced: they stand for the others in a picture."""
    return np.unique(np.linspace(0, max(0, count - 1), min(count, most)).astype(np.int64))


def spectra(energies: Floats, rows: Floats, count: int, what: str, unit: str) -> str:
    """SVG of spectra, (n_rows, n_energies), that stand for ``count``: each of few; of many the mean and a band."""
    if not len(rows):
        return ""
    if len(rows) <= _MOST_CURVES:
        return curves(energies, {f"{what} {number}": row for number, row in enumerate(rows)}, unit)
    which = f"{count:,}" if count == len(rows) else f"{len(rows):,} of {count:,}"
    low, high = np.quantile(rows, [0.05, 0.95], axis=0)
    return curves(energies, {f"mean and middle 90 % of {which} {what}s": rows.mean(axis=0)}, unit, band=(low, high))


def curves(
    x: Floats, lines: Mapping[str, Floats], unit: str, *, band: tuple[Floats, Floats] | None = None, x_unit: str = "eV"
) -> str:
    """SVG of named curves, each (n,), over an ascending axis (n,); ``band`` is filled. Values are in ``unit``."""
    together = np.concatenate([*lines.values(), *(band or ())])
    together = together[np.isfinite(together)]
    low, high = min(0.0, float(together.min(initial=0))), max(0.0, float(together.max(initial=0)))
    top = _ABOVE + _LINE * len(lines)
    bottom = top + _HEIGHT
    across = _LEFT + (x - x[0]) / ((x[-1] - x[0]) or 1.0) * (_WIDTH - _LEFT - _RIGHT)

    def up(values: Floats) -> Floats:
        found: Floats = bottom - (values - low) / ((high - low) or 1.0) * _HEIGHT
        return found

    drawn = [f'<line {_ends(across[0], up(np.zeros(1))[0], across[-1], None)} stroke="currentColor" opacity="0.4"/>']
    if x[0] < 0 < x[-1]:
        zero = float(np.interp(0.0, x, across))
        drawn.append(
            f'<line {_ends(zero, top, None, bottom)} stroke="currentColor" opacity="0.4" '
            f'stroke-dasharray="2 3"/>{_label(zero, bottom + 13, "0", "middle")}'
        )
    if band is not None:
        outline = _points(np.concatenate([across, across[::-1]]), up(np.concatenate([band[0], band[1][::-1]])))
        drawn.append(f'<polygon points="{outline}" fill="{_COLORS[0]}" opacity="0.2"/>')
    for number, (name, values) in enumerate(lines.items()):
        color = _COLORS[number % len(_COLORS)]
        drawn.append(f'<polyline points="{_points(across, up(values))}" fill="none" stroke="{color}"/>')
        drawn.append(_label(_WIDTH - _RIGHT, 12 + _LINE * number, name, "end", color))
    drawn.append(_label(_LEFT, top - 6, f"up to {high:.3g} {unit}", "start"))
    drawn.append(_label(_LEFT, bottom + 13, f"{x[0]:.4g} {x_unit}", "start"))
    drawn.append(_label(_WIDTH - _RIGHT, bottom + 13, f"{x[-1]:.4g} {x_unit}", "end"))
    size = f'width="{_WIDTH}" height="{bottom + _BELOW}" viewBox="0 0 {_WIDTH} {bottom + _BELOW}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size} style="max-width:100%">{"".join(drawn)}</svg>'


def _cell(tag: str, content: object, columns: int = 1) -> str:
    keep = ";white-space:nowrap" if tag == "th" else ""
    return f'<{tag} colspan="{columns}" style="{_CELL}{keep}">{escape(_text(content))}</{tag}>'


def _points(x: Floats, y: Floats) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True) if np.isfinite(b))


def _ends(x: float, y: float, to_x: float | None, to_y: float | None) -> str:
    """Ends of a line as attributes; None where the second end is level with the first."""
    ends = (x, y, x if to_x is None else to_x, y if to_y is None else to_y)
    return " ".join(f'{name}="{value:.1f}"' for name, value in zip(("x1", "y1", "x2", "y2"), ends, strict=True))


def _label(x: float, y: float, text: str, anchor: str, color: str = "currentColor") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}" font-size="11" '
        f'font-family="sans-serif">{escape(text)}</text>'
    )


def _text(cell: object) -> str:
    """A cell; empty where there is no number."""
    if cell is None:
        return ""
    if isinstance(cell, float | np.floating):
        return f"{cell:.4g}" if np.isfinite(cell) else ""
    return str(cell)
