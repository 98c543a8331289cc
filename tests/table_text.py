"""What a table shows on a console of some width."""

import io

from rich.console import Console

from ldosml.cli import layout


def assert_whole(table, width):
    """Every letter of every cell is there, each part has the columns that name the rows, and no line is too long."""
    shown = []
    for part in layout.laid_out(table, width):
        console = Console(file=io.StringIO(), width=max(width, 200), markup=False, emoji=False)
        console.print(part)
        lines = console.file.getvalue().splitlines()
        assert max(map(len, lines)) <= width, lines[0]
        columns = _columns(lines, "│")
        for place in range(table.n_keys):
            assert columns[place] == _joined(table, place), columns[place]
        headers = _columns(lines, "┃")
        assert headers[: table.n_keys] == ["".join(name.split()) for name in table.columns[: table.n_keys]]
        shown += list(zip(headers, columns, strict=True))[table.n_keys :]
    expected = [("".join(name.split()), _joined(table, place)) for place, name in enumerate(table.columns)]
    assert shown == expected[table.n_keys :]


def _columns(lines, border):
    """The text of each column, without spaces."""
    cells = [line.strip(border).split(border) for line in lines if line.startswith(border)]
    return ["".join("".join(column).split()) for column in zip(*cells, strict=True)]


def _joined(table, place):
    cells = [row[place] for row in table.rows]
    if place == 0 and table.n_keys > 1:  # a name that rows share is shown once
        cells = [cell for above, cell in zip(["", *cells], cells, strict=False) if cell != above]
    return "".join("".join(cells).split())
