"""The notebooks of the documentation run, and what results show there."""

import base64
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from ldosml import DOS, EnergyGrid, plotting

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs" / "notebooks").glob("*.ipynb"))
SECONDS = 600  # a notebook may take


def executed(notebook, folder):
    """Run a notebook, in a kernel that finds the package under test."""
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    manager = nbclient.NotebookClient(
        notebook, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    manager.execute(env=os.environ | {"PYTHONPATH": path})
    return notebook


def run(folder, *cells):
    """Outputs of each of some cells."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    return [cell.outputs for cell in executed(notebook, folder).cells]


def figure():
    grid = EnergyGrid.from_range(-1.0, 1.0, 0.1, zero="fermi")
    return DOS(grid, np.ones((1, grid.size))).plot()


def size(png):
    """Width and height in pixels, from the header."""
    assert png.startswith(b"\x89PNG")
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_what_it_shows(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert not [cell for cell in code if cell.outputs or cell.execution_count is not None]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_its_results(path, tmp_path):
    notebook = executed(nbformat.read(path, as_version=4), tmp_path)
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
        assert not [output for output in cell.outputs if output.get("name") == "stderr"], cell.source
        if re.search(r"\.plot\(|_figure\(", cell.source):
            assert "image/png" in kinds, cell.source
        elif not cell.source.splitlines()[-1].startswith("print("):
            assert "text/html" in kinds, cell.source


def test_there_are_notebooks():
    assert [path.name for path in NOTEBOOKS] == ["first-steps.ipynb"]


def test_a_figure_shows_itself_as_png():
    png, metadata = figure()._repr_png_()
    assert metadata == {"width": 700, "height": 280}
    assert size(png) == (1400, 560)  # sharp on a dense screen


def test_ipython_shows_a_figure_without_pyplot():
    formatters = pytest.importorskip("IPython.core.formatters")
    data, metadata = formatters.DisplayFormatter().format(figure())
    assert size(data["image/png"]) == (1400, 560)
    assert metadata["image/png"]["width"] == 700
    assert data["text/plain"].startswith("<Figure size 700x280")


def test_figures_and_results_in_a_notebook(tmp_path):
    make = (
        "import numpy as np; from ldosml import DOS, EnergyGrid\n"
        "dos = DOS(EnergyGrid.from_range(-1, 1, 0.1, zero='fermi'), np.ones((1, 21)))\n"
    )
    result, plain, inline, own = run(
        tmp_path,
        f"{make}dos",
        "dos.plot()",
        "%matplotlib inline\ndos.plot()",
        "import matplotlib.pyplot as plt\nfigure, ax = plt.subplots()\ndos.plot(ax)",
    )
    assert "<svg" in result[0].data["text/html"]
    assert result[0].data["text/plain"].startswith("DOS(1 structures; 21 energies")
    for outputs in (plain, inline, own):
        assert len(outputs) == 1  # each figure once
        size(base64.b64decode(outputs[0].data["image/png"]))


def test_progress_in_a_notebook_takes_few_lines(tmp_path):
    """No bar that a notebook keeps in each of its states: neither in the kernel nor in a command."""
    work = (
        "from ldosml.progress import progress\n"
        "with progress('study') as advance:\n"
        "    for number in range(300): advance(number + 1, 300, f'fold {number}')\n"
        "with progress('fit', counted=False): pass\n"
    )
    (tmp_path / "work.py").write_text(work)
    command = (
        f"import subprocess, sys\nprint(subprocess.run([{sys.executable!r}, 'work.py'], "
        "capture_output=True, text=True, check=True))"
    )
    for outputs in run(tmp_path, work, f"!{sys.executable} work.py", command):
        shown = "".join(output.get("text", "") for output in outputs)
        assert len(outputs) <= 2
        assert len(re.findall("fold", shown)) <= 1, shown


def test_figures_of_plotting_are_all_shown():
    """No module makes a figure of matplotlib's own class, which a notebook shows as text."""
    for path in Path(plotting.__file__).parent.glob("*.py"):
        if path.name != "files.py":  # which takes any figure
            assert "from matplotlib.figure import" not in path.read_text(), path
