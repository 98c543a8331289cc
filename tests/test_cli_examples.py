"""The examples that end each help, run on small data, and what all helps have in common."""

import json
import os
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import typer
from ase.io import write
from matplotlib.figure import Figure
from rich.text import Text
from table_text import assert_whole
from written_runs import Case, write_arrays

from ldosml import _shipped, plotting
from ldosml.cli import layout, main
from ldosml.cli.options import app
from ldosml.datasets import CrystalSet
from ldosml.descriptors import SOAP, Whitened
from ldosml.regression import LDOSKernelRidge

PROGRAM = typer.main.get_command(app)
COMMANDS = PROGRAM.commands


def examples_of(command):
    return (command.epilog or "").split("\n\n")[1:]


EXAMPLES = list(dict.fromkeys(example for one in (PROGRAM, *COMMANDS.values()) for example in examples_of(one)))

# Numbers that fit data of a thousand environments and more, and those that fit what is here.
SMALLER = {"--inducing 1000": "--inducing 5", "--sizes 100,300,1000": "--sizes 8,14", "--jobs -1": "--jobs 1"}
SMALL_SOAP = "--n-max 2 --l-max 1"
STUDIES = ("sweep", "learning-curve", "smearing", "compare", "errors", "transfer")
QUICK = dict.fromkeys(STUDIES, f"{SMALL_SOAP} --folds 2") | {"fit": SMALL_SOAP, "train-occupancy": "--epochs 1"}
QUICK["train-bands"] = "--epochs 1 --networks 1"
SHIPPED_MODELS = [_shipped.shipped_file(name, ".safetensors", "model") for name in ("crystals", "tight-binding")]
CRYSTALS = ("bands", "dos", "fermi-surface", "train-bands", "train-occupancy")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, make_dataset):
    """A folder with all files that the examples read, and a folder with small sets of the names that ship."""
    folder, shipped = tmp_path_factory.mktemp("inputs"), tmp_path_factory.mktemp("shipped")

    def saved(path, start, **options):
        n_atoms = (2, 1, 2, 2, 1, 2, 2, 1, 2, 2) * 2
        fermi = 0.3 * np.arange(start, start + len(n_atoms)) - 0.4
        data = make_dataset(n_atoms, start=start, width=0.1, stop=20.0, energy_max=fermi + 6.5, **options)
        for seed, atoms in enumerate(data.structures, start):
            atoms.rattle(0.1, seed=seed)  # no environment twice
        data.save(path)
        return data

    data = saved(shipped / "silicon.h5", 0)
    saved(shipped / "silicon-large.h5", 20)
    shutil.copy(shipped / "silicon.h5", folder / "mine.h5")
    shutil.copy(shipped / "silicon.h5", folder / "small.h5")
    shutil.copy(shipped / "silicon-large.h5", folder / "large.h5")
    for name, atoms in zip(data.groups, data.structures, strict=True):
        atoms.info["trajectory"] = name
    write(folder / "structures.xyz", data.structures)
    for name in ("new.xyz", "large.xyz", "run.traj"):
        write(folder / name, data.structures[:12])
    for number in range(2):
        (folder / "runs" / str(number)).mkdir(parents=True)
        write_arrays(folder / "runs" / str(number) / "bands.npz", Case())
    against_fermi = data.refer_to("fermi")
    np.savez(folder / "spectra.npz", energies=against_fermi.grid.energies, ldos=against_fermi.ldos.values)
    return folder, shipped


@pytest.fixture(scope="module")
def models(inputs):
    """The model that examples read, fitted once."""
    folder, shipped = inputs
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_shipped, "_folders", lambda: [shipped])
        command = ["fit", "silicon", "--smearing", "0.3", "--high", "5", *SMALL_SOAP.split()]
        assert main([*command, "-o", str(folder / "silicon.ldosml")]) == 0
    (folder / "ldosml-demo").mkdir()
    for name in ("model.ldosml", "ldosml-demo/model.ldosml"):
        shutil.copy(folder / "silicon.ldosml", folder / name)


@pytest.fixture(scope="module")
def crystals(inputs):
    """A set of crystals and a model of the names that ship, and the files of crystals that examples read."""
    folder, shipped = inputs
    from test_cli_crystals import CRYSTALS, crystals_file  # skips where torch is missing

    for model in SHIPPED_MODELS:
        shutil.copy(model, shipped)
    some = CrystalSet.load(crystals_file(folder / "all.npz"))[:12]
    some.save(shipped / "crystals.npz")
    CrystalSet(tuple(replace(material, name=f"my-{material.name}") for material in some)).save(folder / "mine.npz")
    write(folder / "crystal.cif", CRYSTALS["rocksalt"])
    write(folder / "POSCAR", CRYSTALS["fcc"])


@pytest.fixture
def carried_out(request, tmp_path, monkeypatch, capsys, inputs):
    """Run an example in a folder that holds the files which it reads; gives what it printed."""
    folder, shipped = inputs
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_shipped, "_folders", lambda: [shipped])
    for name in dir(plotting):
        if name.endswith("_figure") and name != "save_figure":  # figures have tests of their own
            monkeypatch.setattr(plotting, name, lambda *_, **__: Figure())
    monkeypatch.setattr("ldosml.plotting.files._content", lambda *_: b"picture")
    candidates = {"descriptor": [Whitened(SOAP(n_max=2, l_max=1))], "regressor": [LDOSKernelRidge(gamma=0.3)]}
    monkeypatch.setattr("ldosml.search.search.default_candidates", lambda _: [candidates])

    def run(example, *more):
        for large, small in SMALLER.items():
            example = example.replace(large, small)
        name, *words = example.split()[1:]
        request.getfixturevalue("crystals" if name in CRYSTALS else "models")
        written = words[words.index("-o") + 1] if "-o" in words else ""
        for file in (word.partition("@")[0] for word in words):
            if file and file != written and (folder / file).exists() and not (tmp_path / file).exists():
                (tmp_path / file).parent.mkdir(exist_ok=True)
                os.symlink(folder / file, tmp_path / file)
        before = set(tmp_path.rglob("*"))
        capsys.readouterr()
        code = main([name, *words, *QUICK.get(name, "").split(), *more])
        captured = capsys.readouterr()
        assert code == 0, captured.err
        assert (set(tmp_path.rglob("*")) - before) or not written or more
        return captured.out

    return run


@pytest.fixture
def tables(monkeypatch):
    """The tables that commands print."""
    printed, real = [], layout.laid_out
    monkeypatch.setattr(layout, "laid_out", lambda table, width: printed.append(table) or real(table, width))
    yield printed
    monkeypatch.undo()
    for table in printed:
        for width in (100, 80, 60):
            assert_whole(table, width)
        for markup in ("markdown", "latex", "csv"):
            assert table.text(markup)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_does_what_it_says(carried_out, tables, example):
    out = carried_out(example)
    assert out.strip()
    if "--json" in example:
        assert isinstance(json.loads(out), dict)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("demo", "search", *CRYSTALS)])
def test_json_is_one_object_and_nothing_else(carried_out, name):
    """Where nobody looks at a terminal; the tests run without one."""
    example = examples_of(COMMANDS[name])[0]
    assert isinstance(json.loads(carried_out(example, *([] if "--json" in example else ["--json"]))), dict)


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_a_help_ends_with_two_examples(capsys, name):
    shown = []
    for option in ("--help", "-h"):
        assert main([*name.split(), option]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    assert not re.search("[\U0001f000-\U0001ffff]", shown[0])  # the library of the help takes :100: for one
    lines = [line.strip() for line in shown[0].splitlines() if line.strip()]
    examples = examples_of(COMMANDS[name] if name else PROGRAM)
    assert len(examples) >= 2
    assert " ".join(lines).endswith(" ".join(["Examples:", *examples]))


def test_commands_have_a_line_each(monkeypatch, capsys):
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 80)
    assert main(["--help"]) == 0
    shown = Text.from_ansi(capsys.readouterr().out).plain
    for name, command in COMMANDS.items():
        assert re.search(rf"^│ {name} +{re.escape(command.help.splitlines()[0])} *│$", shown, re.MULTILINE), name
    assert "…" not in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_that_may_be_left_out_says_what_then(name):
    for option in COMMANDS[name].params:
        if option.default is None and not option.required and option.name != "help":
            assert "Default: " in option.help or option.param_type_name == "argument", option.name
