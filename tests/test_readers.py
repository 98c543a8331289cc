"""Readers of DFT output on runs whose bands are known, and on real output."""

import gzip
import os
import re
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ase.build import bulk
from written_runs import (
    ATOMS,
    GPAW_WAVES,
    Case,
    write_arrays,
    write_castep,
    write_cp2k,
    write_doscar,
    write_eigenval,
    write_espresso,
    write_fhi_aims,
    write_fhi_aims_bands,
    write_gpaw,
    write_procar,
    write_siesta,
    write_vaspout,
    write_vasprun,
)

from ldosml import EnergyGrid, LDOSDataset
from ldosml.datasets.runs import ContradictoryRunWarning, UnreadRunWarning, import_runs
from ldosml.readers import ReaderError, facts_of, find_runs, read_run, spectra_of

WRITERS = {
    "vasprun": lambda folder, case: write_vasprun(folder / "vasprun.xml", case),
    "vaspout": lambda folder, case: write_vaspout(folder / "vaspout.h5", case),
    "procar": write_procar,
    "espresso": write_espresso,
    "castep": write_castep,
    "arrays": lambda folder, case: write_arrays(folder / "bands.npz", case),
}
CASES = {"plain": Case(), "spins": Case(n_spins=2), "spinor": Case(spinor=True)}
REAL = Path(os.environ.get("LDOSML_REAL_DATA", Path(__file__).parents[2] / "shared" / "real")) / "dft_outputs"
real = pytest.mark.skipif(not REAL.is_dir(), reason="the folder of real DFT output is not there")
GRID = EnergyGrid.from_range(-12.0, 14.0, 0.02, "code")


def direct(case, spin=None):
    """LDOS (n_atoms, n_energies) of a case on GRID, by a sum of Gaussians, scaled to add up to the DOS."""
    width = 0.1
    held = 1 if case.spinor or case.n_spins == 2 else 2
    shares = case.orbitals.sum(axis=1)
    shares = shares / shares.sum(axis=0)
    found = np.zeros((2, GRID.size))
    for s in range(case.n_spins) if spin is None else [spin]:
        for k, weight in enumerate(case.weights / case.weights.sum()):
            for b, energy in enumerate(case.energies[s, k]):
                bell = np.exp(-(((GRID.energies - energy) / width) ** 2) / 2) / (width * np.sqrt(2 * np.pi))
                found += held * weight * shares[:, s, k, b, None] * bell
    return found


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
class TestEveryFormat:
    def test_the_ldos_is_the_sum_over_the_bands(self, tmp_path, writer, case):
        run = read_run(writer(tmp_path, case))
        dos, ldos, projected = spectra_of(run, GRID, 0.1)
        np.testing.assert_allclose(ldos.values, direct(case), atol=0.02)
        np.testing.assert_allclose(dos.values[0], direct(case).sum(axis=0), atol=0.02)
        assert projected.values.sum() < dos.values.sum()
        np.testing.assert_array_equal(run.structure.numbers, ATOMS.numbers)
        np.testing.assert_allclose(run.structure.cell, ATOMS.cell, atol=1e-6)
        np.testing.assert_allclose(run.structure.positions, ATOMS.positions, atol=1e-6)

    def test_the_electrons_are_the_codes_own(self, tmp_path, writer, case):
        run = read_run(writer(tmp_path, case))
        facts = facts_of(run)
        dos, _, _ = spectra_of(run, GRID, 0.1)
        assert (run.n_electrons, run.fermi_energy) == (case.electrons, pytest.approx(case.fermi))
        assert run.bands.occupations is None or run.bands.occupied == pytest.approx(case.electrons)
        below = dos.values[0, GRID.energies <= case.fermi].sum() * GRID.step
        assert below == pytest.approx(case.electrons, abs=1e-3)
        assert facts.cautions == ()
        assert len(facts.gaps) == case.n_spins
        expected = case.energies[..., case.filled :].min() - case.energies[..., : case.filled].max()
        assert min(facts.gaps) >= expected - 1e-5

    def test_each_spin_is_kept(self, tmp_path, writer, case):
        run = read_run(writer(tmp_path, case))
        if case.n_spins == 1:
            with pytest.raises(ReaderError, match="is not spin-polarised"):
                spectra_of(run, GRID, 0.1, spin="up")
            assert facts_of(run).moment is None
            return
        for number, spin in enumerate(("up", "down")):
            _, ldos, _ = spectra_of(run, GRID, 0.1, spin=spin)
            np.testing.assert_allclose(ldos.values, direct(case, number), atol=0.02)
            assert ldos.spin == spin
        assert facts_of(run).moment == pytest.approx(0.0)

    def test_weights_of_any_sum_are_the_same(self, tmp_path, writer, case):
        tripled = Case(case.n_spins, case.spinor, 2 * case.weights)
        for number, one in enumerate((case, tripled)):
            (tmp_path / str(number)).mkdir()
            writer(tmp_path / str(number), one)
        first, second = (read_run(tmp_path / str(number)) for number in range(2))
        for one, other in zip(spectra_of(first, GRID, 0.1), spectra_of(second, GRID, 0.1), strict=True):
            np.testing.assert_allclose(one.values, other.values, atol=1e-9)

    @pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
    def test_a_file_that_is_cut_off_is_named(self, tmp_path, writer, case, part):
        path = writer(tmp_path, case)
        if path.suffix == ".npz":
            pytest.skip("what NumPy cannot open is not known as a run")
        content = path.read_bytes()
        path.write_bytes(content[: int(part * len(content))])
        with pytest.raises(ReaderError, match=path.name):
            read_run(path)


PARTIAL = WRITERS | {
    "siesta": write_siesta,
    "cp2k": lambda folder, case: write_cp2k(folder, Case(case.n_spins, weights=np.ones(1))),
    "fhi_aims": lambda folder, case: write_fhi_aims(folder, case.n_spins),
    "fhi_aims bands": lambda folder, case: write_fhi_aims_bands(
        folder, Case(case.n_spins, case.spinor, np.array([0.25, 0.5, 0.25]))
    ),
    "doscar": lambda folder, case: write_doscar(folder, case.n_spins, case.spinor),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("writer", PARTIAL.values(), ids=PARTIAL)
def test_no_file_that_ends_early_changes_numbers_in_silence(tmp_path, writer, case):
    """Each file of a run, cut between lines: refused, told, or without consequence."""
    main = writer(tmp_path, case)

    def result():
        run = read_run(main)
        dos, ldos, _ = spectra_of(run, GRID, 0.2)
        numbers = [dos.values, *([] if ldos is None else [ldos.values]), run.fermi_energy, run.n_electrons]
        return numbers, set(facts_of(run).cautions)

    whole, said = result()
    for file in sorted(path for path in tmp_path.rglob("*") if path.suffix not in (".npz", ".h5") and path.is_file()):
        content = file.read_bytes()
        ends = [place + 1 for place, byte in enumerate(content[:-1]) if byte == ord("\n")]
        for end in [0, *ends[:: max(1, len(ends) // 8)], *ends[-1:]]:
            file.write_bytes(content[:end])
            try:
                numbers, told = result()
            except ReaderError:
                continue
            alike = len(numbers) == len(whole) and all(map(np.allclose, numbers, whole))
            assert alike or told - said, f"{file.name} cut at {end} of {len(content)}"
        file.write_bytes(content)


class TestVasp:
    def test_the_last_ionic_step_counts(self, tmp_path):
        path = write_vasprun(tmp_path / "vasprun.xml", Case())
        text = path.read_text()
        step = text[text.index("<calculation>") : text.index("</modeling>")]
        earlier = step.replace("> -", "> -9")  # other eigenvalues
        path.write_text(text.replace(step, earlier + step))
        np.testing.assert_array_equal(read_run(path).bands.eigenvalues, Case().energies)

    def test_lines_of_kpoints_are_refused(self, tmp_path):
        path = write_vasprun(tmp_path / "vasprun.xml", Case())
        path.write_text(path.read_text().replace('param="Gamma"', 'param="listgenerated"'))
        with pytest.raises(ReaderError, match="along lines of k-points"):
            read_run(path)

    def test_kpoints_of_weight_zero_do_not_count(self, tmp_path):
        path = write_vasprun(tmp_path / "vasprun.xml", Case(weights=np.array([1.0, 0.0])))
        dos, _, _ = spectra_of(read_run(path), GRID, 0.1)
        np.testing.assert_allclose(dos.values[0], direct(Case(weights=np.array([1.0, 0.0]))).sum(axis=0), atol=0.02)

    def test_a_printed_dos_that_overflowed_is_not_needed(self, tmp_path):
        path = write_vasprun(tmp_path / "vasprun.xml", Case())
        path.write_text(path.read_text().replace("-10.0000 1.0000", "-10.0000 ******"))
        run = read_run(path)
        assert run.printed is None
        assert "its printed DOS overflowed (***) and is not used" in facts_of(run).cautions

    def test_bands_that_overflowed_are_refused(self, tmp_path):
        path = write_vasprun(tmp_path / "vasprun.xml", Case())
        path.write_text(path.read_text().replace(f"{Case().energies[0, 0, 0]:.4f}", "********"))
        with pytest.raises(ReaderError, match="overflowed"):
            read_run(path)

    def test_compressed_files_are_read(self, tmp_path):
        plain = write_vasprun(tmp_path / "vasprun.xml", Case())
        packed = tmp_path / "other" / "vasprun.xml.gz"
        packed.parent.mkdir()
        packed.write_bytes(gzip.compress(plain.read_bytes()))
        np.testing.assert_array_equal(read_run(packed.parent).bands.eigenvalues, Case().energies)

    def test_memory_is_that_of_the_arrays_not_of_the_file(self, tmp_path):
        path = write_vasprun(tmp_path / "vasprun.xml", Case(weights=np.ones(6000)))
        tracemalloc.start()
        read_run(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert path.stat().st_size > 5e6
        assert peak < 0.5 * path.stat().st_size

    @pytest.mark.parametrize(("n_spins", "spinor"), [(1, False), (2, False), (1, True)])
    def test_doscar_alone(self, tmp_path, n_spins, spinor):
        run = read_run(write_doscar(tmp_path, n_spins, spinor))
        _, ldos, _ = spectra_of(run, EnergyGrid.from_range(-4, 4, 0.05, "code"), 0.2)
        total = ldos.values.sum(axis=1) * 0.05
        # The integrated column says 8.2 electrons of both spins.
        np.testing.assert_allclose(total, [0.25 * 8.2, 0.75 * 8.2], atol=2e-3)
        assert run.fermi_energy == 0.5

    def test_a_doscar_with_eigenval_takes_its_bands(self, tmp_path):
        write_doscar(tmp_path)
        write_eigenval(tmp_path, Case())
        run = read_run(tmp_path)
        np.testing.assert_allclose(run.bands.eigenvalues, Case().energies)
        assert run.n_electrons == 8

    def test_columns_of_a_header_that_touch(self, tmp_path):
        assert read_run(write_doscar(tmp_path, fused=True)).fermi_energy == 0.5

    def test_without_a_structure_it_says_what_is_missing(self, tmp_path):
        path = write_procar(tmp_path, Case())
        (tmp_path / "POSCAR").unlink()
        with pytest.raises(ReaderError, match="there is no CONTCAR or POSCAR"):
            read_run(path)

    def test_lobster_is_against_the_fermi_level(self, tmp_path):
        path = write_doscar(tmp_path)
        path.rename(tmp_path / "DOSCAR.lobster")
        run = read_run(tmp_path)
        assert (run.code, run.fermi_energy) == ("LOBSTER", 0.0)


class TestEspresso:
    def test_spins_may_be_interleaved(self, tmp_path):
        run = read_run(write_espresso(tmp_path, Case(n_spins=2), interleaved=True))
        _, ldos, _ = spectra_of(run, GRID, 0.1, spin="down")
        np.testing.assert_allclose(ldos.values, direct(Case(n_spins=2), 1), atol=0.02)

    def test_orbitals_by_the_listing_of_projwfc(self, tmp_path):
        path = write_espresso(tmp_path, Case())
        for file in tmp_path.glob("*.pdos*"):
            file.unlink()
        assert "without LDOS: there is no pdos files or the listing" in facts_of(read_run(path)).cautions[0]
        lines = [f"     state # {n + 1:3d}: atom {1 + n // 4:3d} (X  ), wfc  1 (l=0 m= 1)" for n in range(8)]
        (tmp_path / "projwfc.out").write_text("\n".join(lines))
        _, ldos, _ = spectra_of(read_run(path), GRID, 0.1)
        np.testing.assert_allclose(ldos.values, direct(Case()), atol=0.02)

    def test_files_of_different_runs_are_refused(self, tmp_path):
        path = write_espresso(tmp_path, Case())
        other = write_espresso(tmp_path / "other", Case(n_spins=2))
        path.with_name("atomic_proj.xml").write_bytes(other.with_name("atomic_proj.xml").read_bytes())
        with pytest.raises(ReaderError, match=r"k-points and spins; pw\.x wrote 1 x 2"):
            read_run(path)

    def test_a_run_along_lines_is_refused(self, tmp_path):
        path = write_espresso(tmp_path, Case())
        path.write_text(path.read_text().replace(">nscf<", ">bands<"))
        with pytest.raises(ReaderError, match="calculation = 'bands'"):
            read_run(path)


class TestSiesta:
    @pytest.mark.parametrize("case", CASES.values(), ids=CASES)
    def test_bands_are_divided_as_the_pdos_is(self, tmp_path, case):
        run = read_run(write_siesta(tmp_path, case))
        dos, ldos, _ = spectra_of(run, GRID, 0.1)
        np.testing.assert_allclose(dos.values[0], direct(case).sum(axis=0), atol=0.02)
        np.testing.assert_allclose(ldos.values, [0.25 * dos.values[0], 0.75 * dos.values[0]], atol=1e-6)
        assert (run.n_electrons, run.fermi_energy) == (case.electrons, case.fermi)
        assert len(run.bands.eigenvalues) == case.n_spins
        np.testing.assert_allclose(run.structure.positions, ATOMS.positions, atol=1e-6)

    def test_a_pdos_that_begins_within_the_bands_gives_no_ldos(self, tmp_path):
        run = read_run(write_siesta(tmp_path, Case(), low=-2.0))
        dos, ldos, _ = spectra_of(run, GRID, 0.1)
        assert ldos is None
        np.testing.assert_allclose(dos.values[0], direct(Case()).sum(axis=0), atol=0.02)
        assert any("print the PDOS over more energies" in text for text in facts_of(run).cautions)

    def test_without_weights_it_says_so(self, tmp_path):
        path = write_siesta(tmp_path, Case())
        (tmp_path / "x.KP").unlink()
        assert any("no x.KP with the weights" in text for text in facts_of(read_run(path)).cautions)

    def test_files_that_are_cut_off_are_named(self, tmp_path):
        path = write_siesta(tmp_path, Case())
        for name in ("x.EIG", "x.PDOS.xml", "x.XV"):
            content = (tmp_path / name).read_text()
            (tmp_path / name).write_text(content[: len(content) // 2])
            with pytest.raises(ReaderError, match=name):
                read_run(path)
            (tmp_path / name).write_text(content)

    def test_settings(self, tmp_path):
        run = read_run(write_siesta(tmp_path, Case()))
        assert run.settings == {
            "functional": "GGA Perdew, Burke & Ernzerhof 1996",
            "mesh cutoff (eV)": pytest.approx(2040.85, abs=0.01),
            "k-mesh": "5 x 4 x 3",
            "electronic temperature (K)": 116.0,
        }
        listing = tmp_path / "RUN.out"
        listing.write_text(listing.read_text().replace("116.0452 K", "  0.0019  Ry"))
        assert read_run(tmp_path).settings["electronic temperature (K)"] == 300.0

    def test_the_pdos_alone(self, tmp_path):
        write_siesta(tmp_path, Case()).unlink()
        run = read_run(tmp_path)
        assert run.bands is None
        assert run.fermi_energy == Case.fermi

    @pytest.mark.parametrize("n_spins", [1, 2])
    def test_the_pdos_alone_counts_both_spins(self, tmp_path, n_spins):
        # SIESTA writes one state for each band and spin, with spins or without: 1 state/eV and spin from -12 to 14 eV.
        write_siesta(tmp_path, Case(n_spins)).unlink()
        (tmp_path / "x.fdf").write_text("%block ProjectedDensityOfStates\n  -12.0 14.0 0.2 200 eV\n%endblock\n")
        run = read_run(tmp_path)
        assert run.printed.smearing_width == pytest.approx(0.2 / np.sqrt(2))
        dos, ldos, _ = spectra_of(run, GRID, 0.3)
        inside = np.abs(GRID.energies) < 10
        np.testing.assert_allclose(dos.values[0, inside], 2, rtol=1e-3)
        np.testing.assert_allclose(ldos.values[:, inside], [[0.5], [1.5]] * np.ones(inside.sum()), rtol=1e-3)


class TestCP2K:
    @pytest.mark.parametrize("unit", ["a.u.", "eV"])
    @pytest.mark.parametrize("n_spins", [1, 2])
    def test_lists_of_one_atom_give_an_ldos(self, tmp_path, n_spins, unit):
        case = Case(n_spins, weights=np.ones(1))
        write_cp2k(tmp_path, case, unit=unit)
        write_cp2k(tmp_path, case, kind="k", unit=unit)  # CP2K writes both
        run = read_run(tmp_path)
        _, ldos, _ = spectra_of(run, GRID, 0.1)
        np.testing.assert_allclose(ldos.values, direct(case), atol=0.02)
        assert run.bands.occupied == pytest.approx(8)
        assert run.n_electrons == 8
        assert run.fermi_energy == pytest.approx(4, abs=1e-4)

    def test_lists_are_of_the_atoms_that_the_restart_says(self, tmp_path):
        case = Case(weights=np.ones(1))
        path = write_cp2k(tmp_path, case)
        assert any("list 1 is taken for atom 1" in text for text in facts_of(read_run(path)).cautions)
        restart = tmp_path / "x-1.restart"
        sections = [f"&LDOS\n LIST {atom}\n&END LDOS\n" for atom in (2, 1)]
        restart.write_text("&PDOS\n" + "".join(sections) + "&END PDOS\n" + restart.read_text())
        run = read_run(path)
        _, ldos, _ = spectra_of(run, GRID, 0.1)
        np.testing.assert_allclose(ldos.values, direct(case)[::-1], atol=0.02)
        assert run.remarks == ()
        restart.write_text(restart.read_text().replace("LIST 2", "LIST 1..2"))
        with pytest.raises(ReaderError, match=r"x-1\.restart holds LDOS sections that are not one LIST"):
            read_run(path)

    def test_the_last_step_of_an_appended_file_counts(self, tmp_path):
        path = write_cp2k(tmp_path, Case(weights=np.ones(1)), kind="k")
        once = read_run(path).bands.eigenvalues
        for file in tmp_path.glob("*.pdos"):
            text = file.read_text()
            file.write_text(text.replace(" 1.0000", " 0.0000") + text)
        run = read_run(path)
        np.testing.assert_array_equal(run.bands.eigenvalues, once)
        assert run.bands.occupied == pytest.approx(8)

    def test_headers_of_2026(self, tmp_path):
        case = Case(weights=np.ones(1))
        write_cp2k(tmp_path, case)
        path = tmp_path / "x-list1-1.pdos"
        expected = read_run(path)
        for file in tmp_path.glob("*.pdos"):
            text = re.sub(r"E\(Fermi\) = +\S+", "E(HOCO) = 0.9", file.read_text()).replace(
                "Occupation ", "Occupation total "
            )
            rows = [line if line[0] == "#" else line.split() for line in text.splitlines()]
            rows = [row if isinstance(row, str) else " ".join([*row[:3], "0.5", *row[3:]]) for row in rows]
            file.write_text("\n".join(rows) + "\n")
        run = read_run(path)
        np.testing.assert_allclose(run.bands.projections, expected.bands.projections)
        held = run.bands.eigenvalues[run.bands.occupations > 0.5]
        assert run.fermi_energy == held.max()
        assert run.fermi_energy <= expected.fermi_energy

    @pytest.mark.parametrize("n_spins", [1, 2])
    def test_files_that_are_all_cut_alike_are_refused(self, tmp_path, n_spins):
        path = write_cp2k(tmp_path, Case(n_spins, weights=np.ones(1)))
        for file in tmp_path.glob("*.pdos"):
            file.write_text("\n".join(file.read_text().splitlines()[:-1]) + "\n")
        with pytest.raises(ReaderError, match="but the listing states"):
            read_run(path)
        (tmp_path / "cp2k.out").unlink()
        assert any("nothing tells how many states" in text for text in facts_of(read_run(path)).cautions)

    def test_a_listing_of_another_project_is_not_taken(self, tmp_path):
        path = write_cp2k(tmp_path, Case(weights=np.ones(1)))
        text = (tmp_path / "cp2k.out").read_text()
        other = text.replace("electrons:                      8", "electrons:                      6")
        (tmp_path / "a.out").write_text(other.replace("name                                   x", "name  y"))
        assert read_run(path).n_electrons == 8
        (tmp_path / "a.out").write_text(other)
        with pytest.raises(ReaderError, match=r"a\.out, cp2k\.out state different numbers"):
            read_run(path)

    def test_settings(self, tmp_path):
        assert read_run(write_cp2k(tmp_path, Case(weights=np.ones(1)))).settings == {
            "k-mesh": "gamma",
            "functional": "PBE",
            "cutoff (eV)": pytest.approx(6802.8, abs=0.1),
            "smearing": "FERMI_DIRAC",
            "electronic temperature (K)": 500.0,
        }

    def test_a_broadened_pdos_is_refused(self, tmp_path):
        path = write_cp2k(tmp_path, Case(weights=np.ones(1)))
        rows = "\n".join(f"{0.1 * n:.2f} 0.1 0.2 0.3 0.4" for n in range(9))
        path.write_text(path.read_text().splitlines()[0] + "\n# Energy [eV] total s p\n" + rows + "\n")
        with pytest.raises(ReaderError, match="A broadened PDOS"):
            read_run(path)

    def test_files_of_different_lengths_are_cut_off(self, tmp_path):
        path = write_cp2k(tmp_path, Case(weights=np.ones(1)))
        second = tmp_path / "x-list2-1.pdos"
        second.write_text("\n".join(second.read_text().splitlines()[:-1]) + "\n")
        with pytest.raises(ReaderError, match=r"hold \[\d+, \d+\] states"):
            read_run(path)

    def test_kinds_give_the_total_only(self, tmp_path):
        case = Case(weights=np.ones(1))
        run = read_run(write_cp2k(tmp_path, case, kind="k"))
        dos, ldos, _ = spectra_of(run, GRID, 0.1)
        assert ldos is None
        np.testing.assert_allclose(dos.values[0], direct(case).sum(axis=0), atol=0.02)
        assert any("give an LDOS section with the list of each atom" in text for text in facts_of(run).cautions)

    def test_lists_of_more_atoms_give_the_total_only(self, tmp_path):
        path = write_cp2k(tmp_path, Case(weights=np.ones(1)))
        path.write_text(path.read_text().replace("of 1 atoms", "of 12 atoms"))
        assert spectra_of(read_run(path), GRID, 0.1)[1] is None

    def test_what_is_missing_is_named(self, tmp_path):
        path = write_cp2k(tmp_path, Case(2, weights=np.ones(1)))
        (tmp_path / "x-BETA_list1-1.pdos").unlink()
        with pytest.raises(ReaderError, match=r"there is no x-BETA_list1-1\.pdos of the other"):
            read_run(path)
        (tmp_path / "x-1.restart").unlink()
        with pytest.raises(ReaderError, match=r"there is no x-1\.restart"):
            read_run(path)

    def test_a_restart_that_is_cut_off_gives_no_structure(self, tmp_path):
        path = write_cp2k(tmp_path, Case(weights=np.ones(1)))
        restart = tmp_path / "x-1.restart"
        lines = restart.read_text().splitlines()
        restart.write_text("\n".join(lines[: lines.index("&COORD") + 2]))
        with pytest.raises(ReaderError, match=r"x-1\.restart is cut off"):
            read_run(path)


class TestFHIaims:
    def test_columns_that_are_cut_off_are_refused(self, tmp_path):
        path = write_fhi_aims(tmp_path)
        columns = tmp_path / "KS_DOS_total_raw.dat"
        columns.write_text("\n".join(columns.read_text().splitlines()[:600]) + "\n")
        with pytest.raises(ReaderError, match=r"KS_DOS_total_raw\.dat is cut off: it holds 597 of 1101"):
            read_run(path)

    @pytest.mark.parametrize("n_spins", [1, 2])
    def test_columns_against_the_vacuum(self, tmp_path, n_spins):
        run = read_run(write_fhi_aims(tmp_path, n_spins))
        assert (run.fermi_energy, run.n_electrons) == (-4.0, 8.0)
        grid = EnergyGrid.from_range(-12, 0, 0.05, "code")
        _, ldos, _ = spectra_of(run, grid, 0.1)
        np.testing.assert_allclose(ldos.values.sum(axis=1) * 0.05, [2, 6], atol=0.03)
        assert "4 electrons of shells below -12.0 eV are left out" in facts_of(run).cautions
        if n_spins == 2:
            up, _, _ = spectra_of(run, grid, 0.1, spin="up")
            assert up.values.sum() * 0.05 == pytest.approx(4, abs=0.02)

    @pytest.mark.parametrize(
        "line", ["(Fermi level) in eV                 : -.40000000E+01", "(Fermi level):    -4.000000eV"]
    )
    def test_the_level_by_the_listing(self, tmp_path, line):
        path = write_fhi_aims(tmp_path)
        (tmp_path / "KS_DOS_total.dat").unlink()
        text = re.sub(r"\(Fermi level\) in eV +: \S+", line, path.read_text())
        path.write_text("  | Chemical potential (Fermi level) in eV : -7.0\n" + text)  # of an earlier iteration
        assert read_run(path).fermi_energy == -4.0

    def test_species_with_digits_in_their_names(self, tmp_path):
        path = write_fhi_aims(tmp_path)
        expected = read_run(path).printed.pdos
        for file in tmp_path.glob("atom_proj_dos_C0002*"):
            file.rename(file.with_name(file.name.replace("C0002", "C20002")))
        np.testing.assert_array_equal(read_run(path).printed.pdos, expected)

    def test_columns_against_the_level(self, tmp_path):
        path = write_fhi_aims(tmp_path)
        for file in tmp_path.glob("*_raw.dat"):
            file.unlink()
        run = read_run(path)
        assert run.fermi_energy == 0.0
        assert run.printed.energies[0] == -8.0

    def test_a_dos_of_one_spin_is_doubled_and_that_is_said(self, tmp_path):
        # 3 electrons of one spin; 6 of both are 4 less than all, whole shells.
        path = write_fhi_aims(tmp_path, doubled=False)
        for file in tmp_path.glob("*.dat"):
            rows = [line.split() for line in file.read_text().splitlines()]
            scaled = [row if row[0] == "#" else [row[0], *(str(0.75 * float(x)) for x in row[1:])] for row in rows]
            file.write_text("\n".join(" ".join(row) for row in scaled) + "\n")
        run = read_run(path)
        assert run.n_electrons == 6
        assert any("is doubled" in text for text in facts_of(run).cautions)

    def test_without_files_of_atoms_there_is_the_total(self, tmp_path):
        run = read_run(write_fhi_aims(tmp_path, per_atom=False))
        assert not run.has_projections
        assert any("only the total DOS" in text for text in facts_of(run).cautions)

    HALF = np.array([0.25, 0.5, 0.25])

    @pytest.mark.parametrize("whole", [False, True])
    @pytest.mark.parametrize("kind", [{}, {"n_spins": 2}, {"spinor": True}], ids=["plain", "spins", "spinor"])
    def test_eigenvalues(self, tmp_path, kind, whole):
        case = Case(weights=self.HALF, **kind)
        run = read_run(write_fhi_aims_bands(tmp_path, case, whole))
        assert (run.fermi_energy, run.n_electrons, run.bands.spinor) == (case.fermi, 8.0, case.spinor)
        assert run.bands.occupied == pytest.approx(8.0, rel=1e-12)
        dos, _, _ = spectra_of(run, GRID, 0.1)
        np.testing.assert_allclose(dos.values[0], direct(case).sum(axis=0), atol=1e-3)
        assert any("4 electrons of shells below" in text for text in facts_of(run).cautions)

    def test_eigenvalues_are_divided_as_the_printed_pdos(self, tmp_path):
        path = write_fhi_aims_bands(tmp_path, Case(weights=self.HALF))
        names = {file: file.read_text() for file in (tmp_path / "Final_KS_eigenvalues.dat", path)}
        write_fhi_aims(tmp_path)
        for file, text in names.items():
            file.write_text(
                re.sub(r"-?\d+\.\d{12}$", lambda m: f"{-7 + float(m[0]) / 10:.6f}", text, flags=re.MULTILINE)
            )
        path.write_text(path.read_text().replace(f"{Case().fermi:.8f}", "-4.0"))
        run = read_run(path)
        grid = EnergyGrid.from_range(-12, 0, 0.05, "code")
        dos, ldos, _ = spectra_of(run, grid, 0.1)
        np.testing.assert_allclose(ldos.values[0], 0.25 * dos.values[0], atol=1e-3)
        assert run.bands.eigenvalues.shape[2] == Case().energies.shape[2]

    @pytest.mark.parametrize("points", [1, 2, 3])
    def test_a_mesh_that_is_cut_off_is_refused(self, tmp_path, points):
        path = write_fhi_aims_bands(tmp_path, Case(weights=self.HALF), whole=True)
        file = tmp_path / "Final_KS_eigenvalues.dat"
        text = file.read_text()
        places = [found.start() for found in re.finditer("k-point number", text)]
        file.write_text(text[: places[points]])
        if points == 3:  # the half that time reversal leaves
            assert read_run(path).bands.kpoint_weights.tolist() == [1, 2, 1]
            return
        with pytest.raises(ReaderError, match="holds no whole mesh"):
            read_run(path)

    def test_eigenvalues_of_another_run_are_refused(self, tmp_path):
        path = write_fhi_aims_bands(tmp_path, Case(weights=self.HALF))
        path.write_text(path.read_text().replace("12.000 electrons", "14.000 electrons"))
        with pytest.raises(ReaderError, match="add up to 12 electrons, but the listing has 14"):
            read_run(path)

    def test_what_is_missing_is_named(self, tmp_path):
        path = write_fhi_aims(tmp_path)
        (tmp_path / "atom_proj_dos_C0002_raw.dat").unlink()
        with pytest.raises(ReaderError, match="no atom_proj_dos file of atom 2"):
            read_run(path)
        for file in tmp_path.glob("KS*"):
            file.unlink()
        with pytest.raises(ReaderError, match="run with 'output dos'"):
            read_run(path)
        path.write_text(path.read_text().replace("Have a nice day.", ""))
        with pytest.raises(ReaderError, match="Did the run end"):
            read_run(path)


class TestGPAW:
    @pytest.fixture
    def installed(self, monkeypatch):
        """A module in the place of gpaw that knows the waves of the written files."""
        setups = [SimpleNamespace(**GPAW_WAVES) for _ in ATOMS]
        calculator = SimpleNamespace(wfs=SimpleNamespace(setups=setups))
        monkeypatch.setitem(sys.modules, "gpaw", SimpleNamespace(GPAW=lambda *_, **__: calculator))

    @pytest.mark.parametrize("version", [1, 3])
    @pytest.mark.parametrize("case", CASES.values(), ids=CASES)
    def test_the_ldos_is_of_the_bound_waves(self, tmp_path, installed, case, version):
        run = read_run(write_gpaw(tmp_path / "x.gpw", case, version))
        assert (run.code, run.fermi_energy) == ("GPAW 22.8.0", 4.0)
        assert run.n_electrons == pytest.approx(8.0)
        ldos = spectra_of(run, GRID, 0.1)[1]
        np.testing.assert_allclose(ldos.values, direct(case), atol=1e-3)
        assert dict(run.settings) == {"functional": "PBE", "mode": "pw, ecut 250.0", "k-mesh": "2 1 1"}

    def test_without_gpaw_there_is_the_total(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "gpaw", None)
        run = read_run(write_gpaw(tmp_path / "x.gpw", Case()))
        assert any("gpaw is not installed" in text for text in facts_of(run).cautions)
        dos = spectra_of(run, GRID, 0.1)[0]
        np.testing.assert_allclose(dos.values[0], direct(Case()).sum(axis=0), atol=1e-3)

    def test_what_gpaw_cannot_open_gives_the_total(self, tmp_path, installed):
        def fails(*_, **__):
            raise AttributeError("rotations")  # GPAW 26.7 on a file of 1.3

        sys.modules["gpaw"].GPAW = fails
        run = read_run(write_gpaw(tmp_path / "x.gpw", Case()))
        assert not run.has_projections
        assert any("cannot open it (rotations)" in text for text in facts_of(run).cautions)

    def test_other_setups_are_refused(self, tmp_path, installed, monkeypatch):
        monkeypatch.setitem(GPAW_WAVES, "l_j", [0, 2])
        sys.modules["gpaw"].GPAW().wfs.setups[0].l_j = [0, 2]
        with pytest.raises(ReaderError, match="8 projectors"):
            read_run(write_gpaw(tmp_path / "x.gpw", Case()))

    def test_against_gpaw_itself(self, tmp_path):
        """GPAW's own projected DOS of iron, a Gaussian exp(-(E/w)^2), and its electrons, Fermi level and moment."""
        gpaw, dos = pytest.importorskip("gpaw"), pytest.importorskip("gpaw.dos")
        atoms = bulk("Fe")
        atoms.set_initial_magnetic_moments([2.3])
        settings = {"mode": gpaw.PW(300), "xc": "PBE", "kpts": (2, 2, 2), "nbands": 14, "convergence": {"bands": 8}}
        atoms.calc = gpaw.GPAW(**settings, occupations=gpaw.FermiDirac(0.2), txt=None)
        atoms.get_potential_energy()
        atoms.calc.write(str(tmp_path / "fe.gpw"))
        run = read_run(tmp_path / "fe.gpw")
        assert run.n_electrons == pytest.approx(8.0, abs=1e-6)
        assert run.fermi_energy == pytest.approx(atoms.calc.get_fermi_level(), abs=1e-9)
        bands = run.bands
        up, down = (bands.occupations * bands.electrons[None, :, None]).sum(axis=(1, 2))
        assert up - down == pytest.approx(atoms.calc.get_magnetic_moment(), abs=1e-3)
        theirs = dos.DOSCalculator.from_calculator(atoms.calc, shift_fermi_level=False)
        energies = np.linspace(run.fermi_energy - 8, run.fermi_energy + 2, 41)
        for spin in (0, 1):
            expected = sum(theirs.raw_pdos(energies, a=0, l=angular, spin=spin, width=0.2) for angular in range(3))
            bells = np.exp(-(((energies[:, None, None] - bands.eigenvalues[spin]) / 0.2) ** 2)) / (0.2 * np.sqrt(np.pi))
            found = (bells * bands.projections[0, spin] * bands.electrons[:, None]).sum(axis=(1, 2))
            np.testing.assert_allclose(found, expected, atol=1e-9)


class TestCastep:
    def test_a_path_is_refused(self, tmp_path):
        case = Case(weights=np.full(8, 1 / 8))
        path = write_castep(tmp_path, case)
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            if line.startswith("K-point"):
                words = line.split()
                lines[number] = f"K-point {words[1]} {int(words[1]) / 16:.8f} 0.0 0.0 {words[5]}"
        path.write_text("\n".join(lines))
        with pytest.raises(ReaderError, match="along lines of k-points"):
            read_run(path)

    def test_without_projections_it_says_so(self, tmp_path):
        path = write_castep(tmp_path, Case())
        (tmp_path / "x.pdos_bin").unlink()
        assert any("there is no x.pdos_bin" in text for text in facts_of(read_run(path)).cautions)

    def test_projections_that_are_cut_off_are_named(self, tmp_path):
        path = write_castep(tmp_path, Case())
        file = tmp_path / "x.pdos_bin"
        file.write_bytes(file.read_bytes()[:-100])
        with pytest.raises(ReaderError, match=r"x\.pdos_bin is cut off"):
            read_run(path)


LEVELS = {
    "gpaw": lambda folder, case, levels: write_gpaw(folder / "x.gpw", case, 3, levels),
    "gpaw of old": lambda folder, case, levels: write_gpaw(folder / "x.gpw", case, 1, levels),
    "castep": write_castep,
    "espresso": lambda folder, case, levels: write_espresso(folder, case, levels=levels),
}


@pytest.mark.parametrize("writer", LEVELS.values(), ids=LEVELS)
class TestLevelsOfEachSpin:
    def test_levels_in_one_gap_are_one(self, tmp_path, writer):
        run = read_run(writer(tmp_path, Case(n_spins=2), (4.5, 3.5)))
        assert run.fermi_energy == pytest.approx(4.0, abs=1e-6)
        assert not any("moment" in text for text in facts_of(run).cautions)

    def test_others_are_told(self, tmp_path, writer):
        run = read_run(writer(tmp_path, Case(n_spins=2), (4.0, -6.0)))
        assert np.isnan(run.fermi_energy)
        assert any("(-6 and 4 eV: was the moment fixed?)" in text for text in facts_of(run).cautions)


class TestContradictions:
    @pytest.mark.parametrize(
        ("stated", "cause"),
        [
            (16.0, "one spin may be missing"),
            (4.0, "spins may be counted twice"),
            (10.0, "2 electrons of filled"),
        ],
    )
    def test_electrons_that_do_not_fit_are_told_with_a_cause(self, tmp_path, stated, cause):
        path = write_arrays(tmp_path / "bands.npz", Case())
        content = dict(np.load(path)) | {"n_electrons": stated}
        np.savez(path, **content)
        cautions = facts_of(read_run(path)).cautions
        assert any(f"states {stated:g}" in text and re.search(cause, text) for text in cautions)

    def test_few_empty_bands_are_told(self, tmp_path):
        path = write_arrays(tmp_path / "bands.npz", Case())
        content = dict(np.load(path))
        for name in ("eigenvalues", "atom_weights", "occupations"):
            content[name] = content[name][..., :4]
        np.savez(path, **content)
        assert any("compute more bands" in text for text in facts_of(read_run(path)).cautions)


class TestFolders:
    def write(self, root, names):
        for name in names:
            (root / name).mkdir(parents=True)
            write_vasprun(root / name / "vasprun.xml", Case())

    def test_each_run_is_one_structure_named_by_its_folder(self, tmp_path):
        self.write(tmp_path, ["md-1/0", "md-1/1", "md-2/0", "alone"])
        data = LDOSDataset.from_runs(tmp_path)
        assert data.names == ["alone", "md-1/0", "md-1/1", "md-2/0"]
        assert data.groups == ["alone", "md-1", "md-1", "md-2"]
        assert LDOSDataset.from_runs(tmp_path, groups="run").groups == data.names

    def test_folders_that_all_share_are_left_out_of_names(self, tmp_path):
        for name in ("a", "b"):
            write_espresso(tmp_path / name, Case())
        assert LDOSDataset.from_runs(tmp_path).names == ["a", "b"]

    def test_one_run_is_read_once(self, tmp_path):
        self.write(tmp_path, ["a"])
        write_procar(tmp_path / "a", Case())  # a second output of the same run
        found, _ = find_runs([tmp_path, tmp_path / "a", tmp_path / "a" / "vasprun.xml"])
        assert len(found) == 1

    def test_the_others_are_read_where_one_is_broken(self, tmp_path):
        self.write(tmp_path, ["a", "b"])
        (tmp_path / "b" / "vasprun.xml").write_text("<modeling>")
        with pytest.warns(UnreadRunWarning, match="b/vasprun.xml: is cut off"):
            found = import_runs([tmp_path, tmp_path / "absent"])
        assert found.dataset.names == ["a"]
        assert [failure.path.name for failure in found.failures] == ["absent", "vasprun.xml"]
        (tmp_path / "a" / "vasprun.xml").unlink()
        with pytest.raises(ValueError, match="No run can be read"):
            import_runs([tmp_path])

    def test_where_nothing_is_known_the_known_names_are_listed(self, tmp_path):
        (tmp_path / "notes.txt").write_text("nothing")
        with pytest.raises(ReaderError, match=r"no file in it is the output of a code that is known \(VASP: vasprun"):
            read_run(tmp_path)

    def test_spins_are_kept_in_the_file(self, tmp_path):
        write_vasprun(tmp_path / "vasprun.xml", Case(n_spins=2))
        data = LDOSDataset.from_runs(tmp_path)
        data.save(tmp_path / "mine.h5")
        loaded = LDOSDataset.load(tmp_path / "mine.h5").select([0])
        up, down = loaded.of_spin("up"), loaded.of_spin("down")
        assert (up.ldos.spin, down.dos.spin) == ("up", "down")
        np.testing.assert_allclose(up.ldos.values + down.ldos.values, data.ldos.values, atol=1e-5)
        assert not np.allclose(up.ldos.values, down.ldos.values, atol=0.1)
        wide = loaded.broaden_to(0.3).refer_to("fermi").of_spin("up")
        assert (wide.grid.zero, wide.smearing_width) == ("fermi", 0.3)
        twice = LDOSDataset.from_runs(tmp_path, groups=["g"])
        joined = data.append(LDOSDataset(**{**vars_of(twice), "names": ["other"]}))
        assert joined.of_spin("down").ldos.n_structures == 2
        write_vasprun(tmp_path / "vasprun.xml", Case())
        with pytest.raises(ValueError, match="holds no spins"):
            LDOSDataset.from_runs(tmp_path).of_spin("up")

    def test_zeros_of_several_codes_are_told(self, tmp_path):
        for name, writer in (("a", "vasprun"), ("b", "espresso")):
            (tmp_path / name).mkdir()
            WRITERS[writer](tmp_path / name, Case())
        with pytest.warns(ContradictoryRunWarning, match="of Quantum ESPRESSO and VASP, whose zeros of energy differ"):
            data = import_runs([tmp_path]).dataset
        assert data.refer_to("fermi").grid.zero == "fermi"
        with pytest.raises(ValueError, match="zero differs"):
            data.select([0]).append(replace(data.select([1]), provenance={"code": "GPAW 22.8"}))

    def test_runs_with_and_without_spins_keep_the_sum(self, tmp_path):
        for name, n_spins in (("a", 1), ("b", 2)):
            (tmp_path / name).mkdir()
            write_vasprun(tmp_path / name / "vasprun.xml", Case(n_spins=n_spins))
        with pytest.warns(ContradictoryRunWarning, match="holds the sum of both spins"):
            data = LDOSDataset.from_runs(tmp_path)
        assert data.stored_spin_difference is None

    def test_a_dos_is_what_all_have(self, tmp_path):
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            write_arrays(tmp_path / name / "bands.npz", Case())
        content = dict(np.load(tmp_path / "b" / "bands.npz"))
        del content["atom_weights"]
        np.savez(tmp_path / "b" / "bands.npz", **content)
        with pytest.warns(ContradictoryRunWarning, match="1 of 2 runs have no LDOS"):
            data = LDOSDataset.from_runs(tmp_path)
        assert data.ldos is None
        assert len(data) == 2


def vars_of(data):
    return {name: getattr(data, name) for name in data.__dataclass_fields__}


@real
class TestReal:
    """Electrons below the Fermi level by the raw numbers of each output, within 1e-3 of those that the code states."""

    @pytest.mark.parametrize(
        ("path", "electrons", "fermi", "gap"),
        [
            ("vasp/mgo_galore/vasprun.xml.gz", 32.0, 3.10002419, 4.85),
            ("vasp/pymatgen/vaspout.line_mode_band_structure.h5.gz", 18.0, 4.440287798950607, 0.78),
            ("qe/si_nonpolarised", 8.0, 6.4028, None),
            ("qe/numbered_kinds", 8.0, 7.2837, None),
            ("siesta/si_pdos_k", 8.0, -4.4838, None),
            ("cp2k/graphene", 2048.0, -3.9752, None),
        ],
    )
    def test_insulators(self, path, electrons, fermi, gap):
        run = read_run(REAL / path)
        facts = facts_of(run)
        assert run.n_electrons == electrons
        assert run.bands.occupations is None or run.bands.occupied == pytest.approx(electrons, abs=1e-3)
        counted = (run.bands.electrons[None, :, None] * (run.bands.eigenvalues <= run.fermi_energy)).sum()
        assert counted == pytest.approx(electrons, abs=1e-3)
        assert run.fermi_energy == pytest.approx(fermi, abs=1e-3)
        assert gap is None or facts.gaps[0] == pytest.approx(gap, abs=0.01)

    @pytest.mark.parametrize(
        ("path", "electrons"), [("qe/fe_spinorbit", 32), ("qe/spinpolarised", 32), ("vasp/aln", 553)]
    )
    def test_metals_by_their_occupations(self, path, electrons):
        assert read_run(REAL / path).bands.occupied == pytest.approx(electrons, abs=1e-3)

    @pytest.mark.parametrize(
        ("path", "electrons", "fermi"), [("si_band_dos", 8.0, -5.730854), ("nacl_dos", 6.0, -5.302063)]
    )
    def test_printed_columns_of_fhi_aims(self, path, electrons, fermi):
        run = read_run(REAL / "fhiaims" / path)
        assert (run.n_electrons, run.fermi_energy) == (electrons, fermi)
        # The step of 0.03 and 0.29 eV is too coarse for a smearing of 0.01 and 0.1 eV, which the import says.
        held = (run.printed.dos * np.gradient(run.printed.energies))[0, run.printed.energies < fermi + 0.3].sum()
        assert held == pytest.approx(electrons, abs=0.06)
        assert any("too coarse" in text for text in facts_of(run).cautions)

    def test_the_slab_of_siesta_without_weights(self):
        run = read_run(REAL / "siesta/al_slab")
        assert (run.n_electrons, run.fermi_energy) == (36.0, pytest.approx(-3.924, abs=1e-3))
        assert any("no Al_slab.KP" in text for text in facts_of(run).cautions)

    def test_spin_orbit_bands_hold_one_electron(self):
        from ldosml.readers.vasp_text import _projected

        bands = _projected(REAL / "vasp/pymatgen/PROCAR.SOC.gz")
        assert bands.spinor
        assert bands.occupied == pytest.approx(16, abs=1e-3)

    def test_the_printed_dos_of_magnesium_oxide_lacks_electrons_and_its_bands_do_not(self):
        run = read_run(REAL / "vasp/mgo_galore/vasprun.xml.gz")
        printed = run.printed
        below = printed.energies <= run.fermi_energy
        trapezoid = np.trapezoid(printed.dos[0, below], printed.energies[below])
        assert abs(trapezoid - 32) > 0.01
        dos, _, projected = spectra_of(run, EnergyGrid.from_range(-18, 12, 0.05, "code"), 0.1)
        filled = dos.energies <= 5.5  # inside the gap
        assert dos.values[0, filled].sum() * 0.05 == pytest.approx(32, abs=1e-3)
        assert projected.values[0, filled].sum() * 0.05 / 32 == pytest.approx(0.687, abs=1e-3)

    def test_the_same_structure_by_pymatgen(self):
        outputs = pytest.importorskip("pymatgen.io.vasp.outputs")
        path = REAL / "vasp/mgo_galore/vasprun.xml.gz"
        other = outputs.Vasprun(path, parse_potcar_file=False, parse_projected_eigen=True)
        run = read_run(path)
        (values,) = other.projected_eigenvalues.values()
        np.testing.assert_allclose(run.bands.projections[:, 0], values.sum(axis=-1).transpose(2, 0, 1), atol=1e-6)
        np.testing.assert_allclose(run.structure.get_scaled_positions(), other.final_structure.frac_coords, atol=1e-6)
