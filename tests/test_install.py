"""The wheel carries the shipped data, and an installed package finds it."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import ldosml

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
    stubs = {str(path.relative_to(ROOT)) for path in (ROOT / "ldosml").rglob("*.pyi")}
    assert "ldosml/__init__.pyi" in stubs
    assert stubs <= set(names)  # lazy packages read their public names there
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


HEAVY = {"scipy", "sklearn", "ase", "matplotlib", "dscribe", "pandas", "torch", "h5py", "jinja2"}


def run(code):
    """What the last line of ``code`` prints, as JSON, in a fresh interpreter."""
    command = [sys.executable, "-c", f"import json, sys, time\n{code}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def times(*statements, repeats=3):
    """Least CPU seconds of a Python that runs each statement. A busy machine slows all alike: compare them."""
    code = "{}\nprint(json.dumps(time.process_time()))"
    runs = [[run(code.format(statement)) for statement in statements] for _ in range(repeats)]
    return [min(seconds) for seconds in zip(*runs, strict=True)]


def test_import_loads_next_to_nothing():
    loaded = run("import ldosml\nprint(json.dumps(sorted(sys.modules)))")
    assert not HEAVY & set(loaded)
    assert [name for name in loaded if name.startswith("ldosml")] == ["ldosml"]


def test_help_loads_nothing_that_is_heavy():
    loaded = run("from ldosml.cli import main\nmain(['--help'])\nprint(json.dumps(sorted(sys.modules)))")
    assert not HEAVY - {"ase"} & set(loaded)  # ase.data, which names the elements, is light


def test_import_and_help_are_quick():
    """At most 0.4 and 0.8 s where Python with NumPy takes 0.1 s."""
    numpy, package, shown = times("import numpy", "import ldosml", "from ldosml.cli import main\nmain(['--help'])")
    assert package < 4 * numpy
    assert shown < 8 * numpy


def test_every_public_name_is_there_and_listed():
    names = run("import ldosml\nprint(json.dumps(dir(ldosml)))")
    assert sorted(set(names)) == sorted(ldosml.__all__)
    assert {"SOAP", "DOSModel", "load_dataset", "chemical_potential", "search"} <= set(names)
    assert all(getattr(ldosml, name) is not None for name in names)
    with pytest.raises(AttributeError, match="soap"):
        ldosml.soap  # noqa: B018


def test_a_type_checker_sees_the_names(tmp_path):
    """The stub is what a type checker reads: every name is exported, and is no Any.

    Errors inside ldosml are not reported, as for an installed package. The type check of CI reports them, with current
    releases of the dependencies: NumPy 2.0, Matplotlib 3.9 and ASE 3.25 lack types that the code relies on.
    """
    script = tmp_path / "use.py"
    uses = [f"reveal_type(ldosml.{name})" for name in sorted(ldosml.__all__)]
    script.write_text("\n".join(["import ldosml", *uses, "from ldosml import SOAP, DOSModel", ""]))
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=setup.cfg", "--follow-imports=silent", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "error" not in done.stdout, done.stdout
    assert done.stdout.count("Revealed type") == len(uses)
    assert 'type is "Any"' not in done.stdout
