"""The commands properties and report, run in this process as a user would type them."""

import csv
import json
import re

import h5py
import numpy as np
import pytest
from ase import Atoms
from ase.io import write
from scipy.special import ndtr

from ldosml import DOSModel, LDOSDataset, derive_properties
from ldosml.cli import main

SMALL = ["--r-cut", "3.5", "--n-max", "3", "--l-max", "2", "--low", "-4"]


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, " ".join(captured.err.replace("│", " ").split())  # without the box around usage errors


@pytest.fixture(scope="module")
def folder(tmp_path_factory, make_dataset):
    """A dataset and a model fitted to it."""
    folder = tmp_path_factory.mktemp("commands")
    make_dataset((2, 3, 2, 2, 2, 3, 3, 2, 2, 3)).save(folder / "data.h5")
    assert main(["fit", str(folder / "data.h5"), "-o", str(folder / "m.ldosml"), *SMALL]) == 0
    data = LDOSDataset.load(folder / "data.h5")
    write(folder / "new.xyz", data.structures[:3])
    return folder


def test_of_a_dataset(capsys, folder, tmp_path):
    command = ["properties", folder / "data.h5", "-T", 300, "-T", 1000, "--photon-max", 2]
    code, out, _ = run(capsys, *command, "-o", tmp_path / "p.json", "--json")
    assert code == 0
    printed = json.loads(out)
    written = json.loads((tmp_path / "p.json").read_text())
    assert printed == {"file": str(tmp_path / "p.json"), **written}
    data = LDOSDataset.load(folder / "data.h5").refer_to("fermi")
    expected = derive_properties(data.dos, data.n_electrons, [300.0, 1000.0], names=data.names)
    for name, values in expected.columns.items():
        found = np.array(written["columns"][name], dtype=float)
        np.testing.assert_allclose(found, values, rtol=1e-6, atol=1e-12, err_msg=name)
    assert np.array(written["spectra"]["absorption_spectrum"]).shape == (10, 2, 41)
    assert written["facts"]["source"] == str(folder / "data.h5")

    code, out, err = run(capsys, *command, "-o", tmp_path / "p.csv")
    assert code == 0
    assert re.search(r"heat capacity +│ 300 +│ 10⁻.* eV/K +│", out)
    with open(tmp_path / "p.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 20
    assert float(rows[1]["heat_capacity [eV/K]"]) == pytest.approx(expected.column("heat_capacity", 1000.0)[0])
    code, _, err = run(capsys, *command, "-o", tmp_path / "p.csv")
    assert (code, "--overwrite" in err) == (1, True)


def test_of_a_model_and_structures(capsys, folder, tmp_path):
    """The model knows the electrons of each element; the same by way of a file of predictions."""
    model = DOSModel.load(folder / "m.ldosml")
    assert model.training_["valence_electrons"] == {"C": 2.0, "Si": 2.0}
    code, _, _ = run(capsys, "properties", folder / "m.ldosml", folder / "new.xyz", "-o", tmp_path / "p.h5", "--atoms")
    assert code == 0
    structures = LDOSDataset.load(folder / "data.h5").structures[:3]
    expected = derive_properties(model.predict(structures), [4.0, 6.0, 4.0], 300.0)
    with h5py.File(tmp_path / "p.h5") as file:
        assert file["columns/heat_capacity"].attrs["unit"] == "eV/K/atom"
        assert file["columns/heat_capacity"].shape == (7, 1)
        np.testing.assert_allclose(file["columns/heat_capacity"][()], expected.columns["heat_capacity"], rtol=1e-9)
        np.testing.assert_array_equal(file["structure_index"][()], [0, 0, 1, 1, 1, 2, 2])
        assert file["names"][0] == b"new-0:0"
    assert run(capsys, "predict", folder / "m.ldosml", folder / "new.xyz", "-o", tmp_path / "p.npz")[0] == 0
    code, out, _ = run(capsys, "properties", tmp_path / "p.npz", "--json")
    assert code == 0
    summed = np.add.reduceat(expected.column("heat_capacity"), [0, 2, 5])
    np.testing.assert_allclose(np.array(json.loads(out)["columns"]["heat_capacity"])[:, 0], summed, rtol=1e-6)
    assert run(capsys, "predict", folder / "m.ldosml", folder / "new.xyz", "-o", tmp_path / "d.h5")[0] == 0
    code, out, _ = run(capsys, "properties", tmp_path / "d.h5", "--json")
    assert code == 0
    np.testing.assert_allclose(np.array(json.loads(out)["columns"]["heat_capacity"])[:, 0], summed, rtol=0.01)


def test_of_bare_arrays(capsys, tmp_path):
    energies = np.arange(-8, 8.01, 0.05)
    dos = np.exp(-((energies / 3) ** 2))
    np.savez(tmp_path / "d.npz", energies=energies, dos=dos)
    code, out, err = run(capsys, "properties", tmp_path / "d.npz")
    assert (code, "valence electrons are not known" in err) == (1, True)
    code, out, err = run(capsys, "properties", tmp_path / "d.npz", "--n-electrons", 2.5, "--json")
    assert code == 0
    assert json.loads(out)["facts"]["quadrature"] == ["linear"]
    code, _, err = run(capsys, "properties", tmp_path / "d.npz", "--electrons", "Si=4")
    assert (code, "which this file does not hold" in err) == (1, True)
    code, _, err = run(capsys, "properties", tmp_path / "d.npz", "--n-electrons", 2.5, "--atoms")
    assert (code, "total DOS only" in err) == (1, True)
    code, out, err = run(capsys, "properties", tmp_path / "d.npz", "--n-electrons", 2.5, "-T", 40000)
    assert code == 0
    assert "caution: The DOS ends at 8 eV, 2.5 kT above mu" in err
    np.savez(tmp_path / "l.npz", energies=energies, ldos=dos[None, :])
    code, _, err = run(capsys, "properties", tmp_path / "l.npz", "--n-electrons", 2.5)
    assert (code, "without 'n_atoms'" in err) == (1, True)
    np.savez(tmp_path / "r.npz", energies=energies, dos=dos, zero="sea level")
    code, _, err = run(capsys, "properties", tmp_path / "r.npz", "--n-electrons", 2.5)
    assert (code, "must be one of 'fermi'" in err) == (1, True)


def test_report_judges_by_what_was_held_out(capsys, folder, tmp_path):
    code, out, err = run(capsys, "report", folder / "m.ldosml", "-o", tmp_path / "r", "--json", "-o", tmp_path / "r")
    assert code == 0
    result = json.loads(out)
    assert result["n_structures"] == 2
    assert set(result["properties"]) >= {"band_energy", "heat_capacity", "fermi_level", "absorption_spectrum"}
    page = (tmp_path / "r" / "report.html").read_text()
    assert "Properties derived from the DOS" in page
    assert "Worst predictions" in page
    assert (tmp_path / "r" / "properties.png").stat().st_size > 10_000
    code, _, err = run(capsys, "report", folder / "m.ldosml", "-o", tmp_path / "r")
    assert (code, "--overwrite" in err) == (1, True)


def test_report_on_other_data_takes_all_of_them(capsys, folder, tmp_path, make_dataset):
    make_dataset((2, 3, 2), start=2).save(tmp_path / "other.h5")
    command = ["report", folder / "m.ldosml", tmp_path / "other.h5", "-o", tmp_path / "r", "--low", -3, "--high", 2]
    code, out, err = run(capsys, *command, "--json")
    assert (code, "Evaluating on all 3 structures" in err) == (0, True)
    assert json.loads(out)["energies"] == pytest.approx([-3.0, 2.0])


def test_report_without_electrons_says_why_there_are_no_properties(capsys, folder, tmp_path, make_dataset):
    make_dataset((2, 3, 2), start=2, n_electrons=None).save(tmp_path / "other.h5")
    code, out, err = run(capsys, "report", folder / "m.ldosml", tmp_path / "other.h5", "-o", tmp_path / "r", "--json")
    assert (code, json.loads(out)["properties"]) == (0, None)
    assert "No derived properties: Properties need the number of valence electrons" in err


def test_report_refuses_a_dataset_that_has_changed(capsys, folder, tmp_path, make_dataset):
    data = LDOSDataset.load(folder / "data.h5")
    model = DOSModel.load(folder / "m.ldosml")
    data.select(range(6)).save(tmp_path / "data.h5")
    model.training_["dataset"] = str(tmp_path / "data.h5")
    model.save(tmp_path / "m.ldosml")
    code, _, err = run(capsys, "report", tmp_path / "m.ldosml", "-o", tmp_path / "r")
    assert (code, "has changed since the model was trained" in err) == (1, True)
    del model.training_["split"]
    model.save(tmp_path / "m.ldosml", overwrite=True)
    code, _, err = run(capsys, "report", tmp_path / "m.ldosml", "-o", tmp_path / "r")
    assert (code, "was trained on all of" in err) == (1, True)
    del model.training_["dataset"]
    model.save(tmp_path / "m.ldosml", overwrite=True)
    code, _, err = run(capsys, "report", tmp_path / "m.ldosml", "-o", tmp_path / "r")
    assert (code, "does not say which dataset" in err) == (1, True)
    assert not (tmp_path / "r").exists()


def test_nothing_is_read_and_overwritten_at_once(capsys, folder):
    before = (folder / "data.h5").read_bytes()
    code, _, err = run(capsys, "properties", folder / "data.h5", "-o", folder / "data.h5", "--overwrite")
    assert (code, "is the input; give another name" in err) == (1, True)
    assert (folder / "data.h5").read_bytes() == before


def test_arrays_are_cut_where_they_are_not_complete(capsys, tmp_path):
    energies = np.arange(-8, 8.01, 0.05)
    dos = np.exp(-((energies / 3) ** 2))
    np.savez(tmp_path / "d.npz", energies=energies, dos=dos, energy_max=-0.5)
    code, _, err = run(capsys, "properties", tmp_path / "d.npz", "--n-electrons", 2.65)
    assert (code, "to -0.5 eV, and 2.65 electrons" in err) == (1, True)
    np.savez(tmp_path / "l.npz", energies=energies, ldos=dos[None, :], dos=2 * dos, n_atoms=[1])
    masses = []
    for option in ([], ["--atoms"]):
        code, out, _ = run(capsys, "properties", tmp_path / "l.npz", "--n-electrons", 2.5, "--json", *option)
        masses.append(json.loads(out)["columns"]["dos_at_fermi_level"][0])
    assert masses[0] > 1.2 * masses[1]
    np.savez(tmp_path / "n.npz", energies=energies, ldos=dos[None, :], n_atoms=[-1])
    code, _, err = run(capsys, "properties", tmp_path / "n.npz", "--n-electrons", 2.5)
    assert (code, "must be whole numbers above zero" in err) == (1, True)


@pytest.mark.parametrize("kelvin", [0, "inf"])
def test_reports_need_a_temperature(capsys, folder, tmp_path, kelvin):
    code, _, err = run(capsys, "report", folder / "m.ldosml", "-o", tmp_path / "r", "--temperature", kelvin)
    assert (code, "'--temperature' / '-T': must be above 0 K" in err) == (2, True)
    code, _, err = run(capsys, "report", folder / "m.ldosml", "-o", folder / "data.h5")
    assert (code, "is a file; give a folder" in err) == (1, True)


class TestWhatIsKnownBesideTheElectrons:
    """A Fermi level, doping, and words for what has no number."""

    energies = np.round(np.arange(-18, 12.0001, 0.02), 10)

    def file(self, path, valence=24.0, **entries):
        def band(low, high, states):
            d = np.clip((self.energies - low) * (high - self.energies), 0, None)
            return states * d / (d.sum() * 0.02)

        dos = band(-16, -14.5, 8.0) + band(-5, -0.02, valence) + band(4.8, 11.9, 20.0)
        np.savez(path, energies=self.energies, dos=dos, n_electrons=32.0, **entries)
        return path

    @pytest.mark.parametrize("entries", [{"zero": "fermi"}, {"fermi_energy": 0.0}, {"fermi_energy": [3.0]}])
    def test_level_of_a_file(self, capsys, tmp_path, entries):
        path = self.file(tmp_path / "d.npz", 23.984, **entries)
        code, out, err = run(capsys, "properties", path)
        assert code == 0
        assert re.search(r"caution: The Fermi level from the electrons .* 4\.9\d+ eV.* in a gap from -0\.0", err)
        code, out, err = run(capsys, "properties", path, "--tolerance", 1e-3, "--json")
        found = json.loads(out)
        assert (code, found["facts"]["cautions"]) == (0, [])
        assert found["columns"]["band_gap"][0] == pytest.approx(4.82, abs=0.01)
        for edge, sign in (("conduction_edge", 1), ("valence_edge", -1)):
            assert sign * found["columns"][edge][0] > 0
        assert run(capsys, "properties", path, "--tolerance", -1)[0] == 2

    def test_a_good_file_says_nothing(self, capsys, tmp_path):
        code, out, _ = run(capsys, "properties", self.file(tmp_path / "d.npz", zero="fermi"), "--json")
        assert (code, json.loads(out)["facts"]["cautions"]) == (0, [])

    def test_doping_needs_a_volume(self, capsys, tmp_path):
        code, _, err = run(capsys, "properties", self.file(tmp_path / "d.npz"), "--doping", 1e17)
        assert (code, "needs the volume of every cell" in err) == (1, True)
        assert "--doping-unit cell" in " ".join(err.split())

    def test_doping_of_a_cell_needs_no_volume(self, capsys, tmp_path):
        path = self.file(tmp_path / "d.npz", zero="fermi")
        given = ("--doping", 1.6e-4, "--doping-unit", "cell", "--tolerance", 1e-3, "--json")
        code, out, _ = run(capsys, "properties", path, *given)
        columns = json.loads(out)["columns"]
        assert code == 0
        assert columns["electrons"][0][0] == pytest.approx(1.6e-4, rel=1e-4)
        assert columns["chemical_potential"][0][0] > 4.0

    def test_doping_of_a_dataset(self, capsys, tmp_path):
        path = self.file(tmp_path / "d.npz", zero="fermi")
        with np.load(path) as arrays:
            atoms = Atoms("Si8", positions=np.arange(24).reshape(8, 3) / 2, cell=[5.43] * 3, pbc=True)
            data = LDOSDataset.from_arrays([atoms], arrays["energies"], dos=arrays["dos"][None], n_electrons=[32.0])
        data.save(tmp_path / "d.h5")
        code, out, _ = run(capsys, "properties", tmp_path / "d.h5", "--doping", 1e18, "--tolerance", 1e-3, "--json")
        assert code == 0
        columns = json.loads(out)["columns"]
        assert columns["electrons"][0][0] == pytest.approx(1e18 * 5.43**3 * 1e-24, rel=1e-4)
        assert columns["chemical_potential"][0][0] > 4.0

    def test_a_hidden_gap_in_words(self, capsys, tmp_path):
        e = np.arange(-10, 10.01, 0.05)
        dos = ndtr((e + 8) / 0.3) - ndtr((e + 0.35) / 0.3) + ndtr((e - 0.35) / 0.3) - ndtr((e - 8) / 0.3)
        np.savez(tmp_path / "d.npz", energies=e, dos=dos, n_electrons=7.65, zero="fermi", smearing_width=0.3)
        code, out, err = run(capsys, "properties", tmp_path / "d.npz", "-o", tmp_path / "p.csv")
        assert code == 0
        assert "not resolvable (smearing 0.3 eV)" in " ".join((out + err).split())
        assert "not resolvable (smearing 0.3 eV)" in (tmp_path / "p.csv").read_text()
        code, out, err = run(capsys, "properties", tmp_path / "d.npz", "--json")
        assert json.loads(out)["notes"] == {"band_gap": ["not resolvable (smearing 0.3 eV)"]}
        assert "caution" in err or json.loads(out)["facts"]["cautions"]

    def test_pairs_of_one_spin(self, capsys, tmp_path):
        path = self.file(tmp_path / "d.npz", zero="fermi")
        spectra = []
        for option in ([], ["--spin-conserving"]):
            _, out, _ = run(capsys, "properties", path, "--photon-max", 8, "--json", *option)
            spectra.append(np.array(json.loads(out)["spectra"]["absorption_spectrum"]))
        np.testing.assert_allclose(spectra[1], spectra[0] / 2, rtol=1e-12)
