"""The README's Python runs, block after block, as a reader would paste it."""

import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_python_blocks_run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    assert len(blocks) == 5
    names = {}
    exec("\n".join(blocks), names)
    assert names["dos"].values.shape == (len(names["test"]), names["model"].grid_.size)
    assert names["shares"].shape == (len(names["ldos"]),)
    assert (names["cv"] > 0).all()
    assert "ldos_normalized_loss" in capsys.readouterr().out


def test_every_link_and_file_that_it_names_exists():
    named = re.findall(
        r"`((?:examples|data|benchmarks|paper_figures)/[\w./]+|CHANGELOG\.md|CITATION\.cff|\.ci/run)`",
        README.read_text(),
    )
    assert named
    assert [name for name in named if not (README.parent / name).exists()] == []
