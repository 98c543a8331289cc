"""Tables of results: as text for a page or a paper, and in files."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ldosml._files import replacing
from ldosml._text import csv_cell, printable
from ldosml._validation import check_choice

if TYPE_CHECKING:
    from pandas import DataFrame

PathLike = str | os.PathLike[str]

Rows = Sequence[Mapping[str, Any]] | Mapping[str, Any]
"""A dict for each row, or an array for each column."""

Markup = Literal["markdown", "latex", "csv"]
"""What a table can be written as."""

_ENDINGS: dict[str, Markup] = {".csv": "csv", ".md": "markdown", ".tex": "latex"}
_DIGITS = 4

_SUPERSCRIPTS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
_LATEX = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "σ": r"$\sigma$",
        "μ": r"$\mu$",
        "±": r"$\pm$",
        "√": r"$\surd$",
        "Å": r"\AA{}",
        "\n": " ",
    }
)
_MARKDOWN = str.maketrans({**{character: f"\\{character}" for character in r"\`*_|<"}, "\n": " "})


@dataclass(frozen=True)
class ResultTable:
    r"""A table as people read it, and its text in a markup language.

    Parameters
    ----------
    title : str
        Empty for a table without a title.
    columns : sequence of str
        Names of the columns, all different, with units.
    rows : sequence of sequence of str
        Texts of the cells, row by row.
    n_keys : int
        How many columns, from the left, name the rows.

    Examples
    --------
    >>> table = ResultTable("Errors", ["quantity", "RMSE (eV/T^2)"], [["band_gap", "0.12"]])
    >>> print(table.text("latex"))
    \begin{table}
    \caption{Errors}
    \begin{tabular}{lr}
    \toprule
    quantity & RMSE (eV/T$^{2}$) \\
    \midrule
    band\_gap & 0.12 \\
    \bottomrule
    \end{tabular}
    \end{table}
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    n_keys: int = 1

    @property
    def numeric(self) -> list[bool]:
        """Whether each column holds numbers, apart from cells that are empty or say that there is none."""
        return [
            place >= self.n_keys and not any(_is_word(row[place]) for row in self.rows)
            for place in range(len(self.columns))
        ]

    def text(self, markup: Markup) -> str:
        r"""The table in a markup language.

        Parameters
        ----------
        markup : {"markdown", "latex", "csv"}
            "latex" needs the package booktabs; what has a meaning in LaTeX, such as an underscore, is escaped, and
            powers such as ``eV^2`` become superscripts. In CSV the title is a line that begins with ``#``.

        Returns
        -------
        str
            Without a newline at the end.

        Raises
        ------
        ValueError
            When ``markup`` is something else.
        """
        check_choice("markup", markup, ("markdown", "latex", "csv"))
        if markup == "latex":
            return self._latex()
        if markup == "markdown":
            title = f"**{_markdown(self.title)}**\n\n" if self.title else ""
            align = ["right" if numeric else "left" for numeric in self.numeric]
            frame = self._frame(_markdown)
            return title + str(frame.to_markdown(index=False, disable_numparse=True, colalign=align))
        title = f"# {printable(' '.join(self.title.split()))}\n" if self.title else ""
        return title + str(self._frame(csv_cell).to_csv(index=False, lineterminator="\n")).rstrip("\n")

    def _latex(self) -> str:
        align = "".join("r" if numeric else "l" for numeric in self.numeric)
        caption = _latex(self.title) or None
        return str(self._frame(_latex).to_latex(index=False, column_format=align, caption=caption)).rstrip("\n")

    def _frame(self, written: Any) -> DataFrame:
        from pandas import DataFrame

        rows = [[written(str(cell)) for cell in row] for row in self.rows]
        return DataFrame(rows, columns=[written(column) for column in self.columns], dtype=object)


def result_table(rows: Rows, title: str = "", *, digits: int = _DIGITS) -> ResultTable:
    """A table of records, such as ``records()`` of a study gives.

    Parameters
    ----------
    rows : sequence of dict, or dict of columns
        Numbers and texts.
    title : str
    digits : int
        Significant digits of numbers.

    Returns
    -------
    ResultTable
        None and NaN are empty cells.

    Raises
    ------
    ValueError
        When there are no rows.

    Examples
    --------
    >>> print(result_table([{"fold": 1, "rmse": 0.123456}, {"fold": 2, "rmse": None}]).text("markdown"))
    | fold   |   rmse |
    |:-------|-------:|
    | 1      | 0.1235 |
    | 2      |        |
    """
    frame = _frame(rows)
    cells = [[_cell(value, digits) for value in row] for row in frame.to_numpy()]
    return ResultTable(title, [str(column) for column in frame.columns], cells)


def save_table(path: PathLike, rows: Rows, *, overwrite: bool = False) -> Path:
    """Write a table as CSV, JSON, Markdown or LaTeX; either the whole file appears, or nothing changes.

    Parameters
    ----------
    path : path
        .csv: a header and a line for each row; a text that a spreadsheet would take for a formula gets an apostrophe
        in front, and control characters are written as in Python. .json: a list with an object for each row.
        .md, .tex: a table for a page or a paper, see ``ResultTable``.
    rows : sequence of dict, or dict of columns
        Numbers and texts. In CSV and JSON numbers keep every digit; in Markdown and LaTeX they have four significant
        ones. None and NaN become null in JSON and an empty cell elsewhere.
    overwrite : bool
        Replace the file where it exists.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ValueError
        When ``path`` has another ending, or there are no rows.
    FileExistsError
        When the file exists and ``overwrite`` is false.
    OSError
        When it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> path = save_table(f"{tempfile.mkdtemp()}/errors.csv", [{"fold": 1, "rmse": 0.25}, {"fold": 2, "rmse": None}])
    >>> print(path.read_text())
    fold,rmse
    1,0.25
    2,
    """
    path = Path(path)
    check_ending(path)
    if path.suffix in (".md", ".tex"):
        return _save(path, result_table(rows).text(_ENDINGS[path.suffix]) + "\n", overwrite)
    frame = _frame(rows)
    if path.suffix == ".json":
        return save_json(path, frame.to_dict("records"), overwrite=overwrite)
    cells = [[csv_cell(value) if isinstance(value, str) else value for value in row] for row in frame.to_numpy()]
    safe = type(frame)(cells, columns=[csv_cell(str(name)) for name in frame.columns], dtype=object)
    return _save(path, safe.to_csv(index=False, lineterminator="\n"), overwrite)


def check_ending(path: PathLike) -> None:
    """Raise ValueError unless ``save_table`` knows the ending of ``path``."""
    if Path(path).suffix not in (".json", *_ENDINGS):
        raise ValueError(f"A table is written to .csv, .json, .md or .tex; got {Path(path).name!r}.")


def save_json(path: PathLike, content: Any, *, overwrite: bool = False) -> Path:
    """Write numbers, texts, arrays, and lists and dicts of them as JSON, all of it or nothing.

    JSON has no NaN and no infinity: both become null, as does None.

    Raises
    ------
    TypeError
        When ``content`` holds anything else.
    FileExistsError
        When the file exists and ``overwrite`` is false.
    OSError
        When it cannot be written.
    """
    return _save(Path(path), json.dumps(_plain(content), indent=1, allow_nan=False), overwrite)


def _frame(rows: Rows) -> DataFrame:
    from pandas import DataFrame

    # As objects, integers beside None stay integers.
    frame = DataFrame(rows if isinstance(rows, Mapping) else list(rows), dtype=object)
    if frame.empty:
        raise ValueError("The table has no rows to write.")
    return frame


def _plain(content: Any) -> Any:
    """What JSON can hold; anything unknown is left for ``json`` to refuse."""
    if isinstance(content, Mapping):
        return {key: _plain(value) for key, value in content.items()}
    if isinstance(content, np.ndarray | np.generic):
        return _plain(content.tolist())
    if isinstance(content, list | tuple):
        return [_plain(value) for value in content]
    return None if isinstance(content, float) and not np.isfinite(content) else content


def _is_word(cell: str) -> bool:
    return cell[:1].isalpha() and not cell.startswith("not ")


def _cell(value: Any, digits: int) -> str:
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
        return ""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(_cell(each, digits) for each in value)
    return f"{value:.{digits}g}" if isinstance(value, float | np.floating) else str(value)


def _markdown(text: str) -> str:
    return printable(text).translate(_MARKDOWN)


def _latex(text: str) -> str:
    """The text with powers and minus signs set as mathematics, and what LaTeX would take for commands escaped."""
    parts = re.split(r"(\^-?\d+(?:/\d+)?|[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", printable(text).replace("L/sigma", "L/σ"))
    raised = [part.lstrip("^").translate(_SUPERSCRIPTS) for part in parts[1::2]]
    plain = [re.sub(r"(?<![\w.])-(?=\d)", "$-$", part.translate(_LATEX)) for part in parts[::2]]
    return "".join(f"{before}$^{{{power}}}$" for before, power in zip(plain, raised, strict=False)) + plain[-1]


def _save(path: Path, text: str, overwrite: bool) -> Path:
    with replacing(path, overwrite) as file:
        file.write(text.encode())
    return path
