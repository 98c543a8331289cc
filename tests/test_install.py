"""The wheel carries the shipped data, and an installed package finds it."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    # Built from a copy, since setuptools leaves build/ and ldosml.egg-info in the tree that it builds.
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if tracked.returncode:
        pytest.skip("not a git checkout")
    for name in tracked.stdout.splitlines():
        wanted = name.startswith(("ldosml/", "data/silicon.h5")) or "/" not in name
        if wanted and (ROOT / name).is_file():  # not what was deleted and is not committed yet
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", folder, source]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_wheel_contents(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "ldosml/shipped/silicon.h5" in names
    assert "ldosml/py.typed" in names
    assert "ldosml/report/page.html.j2" in names
    assert not [name for name in names if name.startswith(("tests", "data")) or "/scripts/" in name]


def test_installed_wheel_loads_the_silicon_set(wheel, tmp_path):
    target = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--target", target, wheel]
    subprocess.run(install, check=True, capture_output=True)
    code = (
        f"import sys; sys.path.insert(0, {str(target)!r}); import ldosml, ldosml.cli; "
        "data = ldosml.load_dataset('silicon'); print(ldosml.__file__, len(data), data.ldos.values.shape[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    path, n_structures, n_environments = done.stdout.split()
    assert path.startswith(str(target))
    assert int(n_structures) >= 50
    assert int(n_environments) >= 500
