"""Tight binding fitted to LDOS: derivatives of local spectra, errors of groups left out, and a fit with known truth."""

from dataclasses import fields, replace

import numpy as np
import pytest
from ase.build import bulk, fcc111
from neural_cases import torch
from numpy.testing import assert_allclose

from ldosml import LDOS, EnergyGrid, LDOSKernelRidge, TightBindingSpectrum, Whitened
from ldosml.neural import fit_tight_binding_to_ldos
from ldosml.neural.local_spectra import local_spectra
from ldosml.neural.tight_binding_ldos_fit import LeftOut, StructureTerms, flat_tensors
from ldosml.tightbinding import TightBinding, TightBindingParameters
from ldosml.tightbinding.local_spectrum import shifted_mesh, smeared_fermi_level

FITTED = TightBindingParameters.fitted()
ENERGIES = torch.linspace(-14.0, 5.0, 96, dtype=torch.float64)
GAMMA = np.zeros((1, 3))
MESH = 0.7


def rattled(symbols="SiC", structure="zincblende", a=4.4, seed=1):
    atoms = bulk(symbols, structure, a=a)
    atoms.rattle(0.05, seed=seed)
    return atoms


def matrices(atoms, kpoints):
    """Hamiltonians, and the electrons that they hold."""
    model = TightBinding(atoms)
    return torch.from_numpy(np.concatenate([part for _, part in model.hamiltonians(kpoints)])), model.n_electrons


def hermitian(like, seed=0):
    random = np.random.default_rng(seed)
    changes = random.normal(size=like.shape) + 1j * random.normal(size=like.shape) * like.is_complex()
    changes = torch.from_numpy(changes if like.is_complex() else changes.real)
    return changes + changes.mH


def random_loss(n_atoms, seed=3):
    factors = torch.from_numpy(np.random.default_rng(seed).normal(size=(n_atoms, len(ENERGIES))))
    return lambda spectra: (factors * spectra).sum()


def slope(function, step):
    """Derivative at zero from four values."""
    near, far = (function(h) - function(-h) for h in (step, 2 * step))
    return (8 * near - far) / (12 * step)


def by_eigh(hamiltonians, weights, level, width):
    """Local spectra by torch's own derivatives of eigenvectors, about a fixed level."""
    states, vectors = torch.linalg.eigh(hamiltonians)
    shares = (vectors.abs() ** 2).reshape(len(states), -1, 13, states.shape[1]).sum(dim=2)
    gaussians = torch.exp(-0.5 * ((ENERGIES + level - states[:, :, None]) / width) ** 2) / (width * np.sqrt(2 * np.pi))
    return torch.einsum("k,kas,kse->ae", 2 * weights, shares, gaussians)


CASES = {
    "a crystal without symmetry": (rattled(), shifted_mesh(rattled(), 2.0)),
    "degenerate levels, real matrices": (bulk("Si"), (GAMMA, np.ones(1))),
    "degenerate levels, complex matrices": (bulk("Al"), (np.array([[0.25, 0.25, 0.25]]), np.ones(1))),
    "a metal": (bulk("Al"), shifted_mesh(bulk("Al"), 2.0)),
    "a slab": (fcc111("Al", (1, 1, 2), vacuum=5.0), (GAMMA, np.ones(1))),
}


class TestLocalSpectra:
    @pytest.mark.parametrize("name", CASES)
    def test_the_derivative_is_that_of_finite_differences(self, name):
        """Also along changes that lift degeneracies."""
        atoms, (kpoints, weights) = CASES[name]
        given, n_electrons = matrices(atoms, kpoints)
        weights, loss, changes = torch.from_numpy(weights), random_loss(len(atoms)), hermitian(given)
        variable = given.clone().requires_grad_()
        loss(local_spectra(variable, weights, n_electrons, ENERGIES, 0.3)).backward()
        found = (variable.grad.conj() * changes).real.sum().item()

        def along(step):
            return loss(local_spectra(given + step * changes, weights, n_electrons, ENERGIES, 0.3)).item()

        assert found == pytest.approx(slope(along, 1e-4), rel=1e-6)

    def test_degenerate_cases_are_degenerate(self):
        for name in ("degenerate levels, real matrices", "degenerate levels, complex matrices"):
            atoms, (kpoints, _) = CASES[name]
            given, _ = matrices(atoms, kpoints)
            assert given.is_complex() == ("complex" in name)
            assert torch.linalg.eigvalsh(given).diff().min() < 1e-9

    def test_without_degenerate_levels_it_is_that_of_eigenvectors(self):
        kpoints, weights = shifted_mesh(rattled(), 1.0)
        given, n_electrons = matrices(rattled(), kpoints)
        weights, loss = torch.from_numpy(weights), random_loss(2)
        ours, theirs = (given.clone().requires_grad_() for _ in range(2))
        loss(local_spectra(ours, weights, n_electrons, ENERGIES, 0.3)).backward()
        level = fermi_level(given, weights, n_electrons)
        spectra = by_eigh(theirs, weights, level, 0.3)
        loss(spectra).backward()
        # The rest follows the Fermi level: by how much is known from a shift of all levels, which changes nothing.
        rest = ours.grad - theirs.grad
        assert_allclose(rest.diagonal(dim1=1, dim2=2).real.sum(), -theirs.grad.diagonal(dim1=1, dim2=2).real.sum())
        assert float(rest.abs().max()) > 1e-3

    def test_a_shift_of_all_levels_changes_nothing(self):
        given, n_electrons = matrices(bulk("Al"), np.array([[0.1, 0.2, 0.3]]))
        given.requires_grad_()
        random_loss(1)(local_spectra(given, torch.ones(1, dtype=torch.float64), n_electrons, ENERGIES, 0.3)).backward()
        assert float(given.grad.abs().max()) > 1e-2
        assert given.grad.diagonal(dim1=1, dim2=2).real.sum().item() == pytest.approx(0, abs=1e-9)


def fermi_level(hamiltonians, weights, n_electrons):
    states = torch.linalg.eigvalsh(hamiltonians).numpy()
    electrons = np.repeat(2 * weights.numpy(), states.shape[1])
    return smeared_fermi_level(states.ravel(), electrons, n_electrons, 0.3)


class TestTerms:
    def test_spectra_are_those_of_the_descriptor(self):
        atoms = rattled()
        expected = TightBindingSpectrum(k_density=2.0).fit_transform(atoms)
        found = StructureTerms.of(atoms, FITTED, 2.0).spectra(flat_tensors(FITTED), ENERGIES, 0.3)
        assert_allclose(found, expected, atol=1e-9)

    def test_derivatives_by_all_parameters(self):
        atoms, loss, random = rattled(), random_loss(2), np.random.default_rng(4)
        terms = StructureTerms.of(atoms, FITTED, 1.0)
        scales = {"overlaps": 0.02}
        changes = {
            f.name: torch.from_numpy(scales.get(f.name, 0.3) * random.normal(size=getattr(FITTED, f.name).size))
            for f in fields(FITTED)
        }
        given = {name: getattr(flat_tensors(FITTED), name) for name in changes}
        variables = {name: value.clone().requires_grad_() for name, value in given.items()}
        loss(terms.spectra(TightBindingParameters(**variables), ENERGIES, 0.3)).backward()
        for name, change in changes.items():

            def along(step, name=name, change=change):
                moved = given | {name: given[name] + step * change}
                return loss(terms.spectra(TightBindingParameters(**moved), ENERGIES, 0.3)).item()

            assert (variables[name].grad @ change).item() == pytest.approx(slope(along, 1e-3), rel=1e-6), name


def strained(count=12, symbols="Si"):
    """Crystals of two atoms, each of another shape."""
    random, found = np.random.default_rng(7), []
    for _ in range(count):
        atoms = bulk(symbols, "diamond", a=5.4)
        atoms.set_cell(atoms.cell @ (np.eye(3) + random.normal(scale=0.04, size=(3, 3))), scale_atoms=True)
        atoms.rattle(0.05, rng=random)
        found.append(atoms)
    return found


def ldos_of(structures, parameters):
    """LDOS that tight binding with some parameters gives."""
    spectrum = TightBindingSpectrum(k_density=MESH, parameters=parameters).fit(structures)
    grid = EnergyGrid.from_array(spectrum.energies_, zero="fermi")
    index = np.repeat(np.arange(len(structures)), [len(atoms) for atoms in structures])
    numbers = np.concatenate([atoms.numbers for atoms in structures])
    return LDOS(grid, spectrum.transform(structures), 0.3, structure_index=index, numbers=numbers)


class TestLeftOut:
    def test_it_is_the_error_of_fits_without_each_group(self):
        structures = strained(8, "Si")
        structures[0].numbers[:] = 6  # a second element, in two groups
        structures[5].numbers[1] = 6
        groups, ldos, alpha = np.array([0, 0, 1, 1, 2, 2, 3, 3]), ldos_of(structures, None), 0.01
        numbers, rows = np.asarray(ldos.numbers), np.random.default_rng(0).normal(size=(16, 5))
        of_atom, values = np.repeat(groups, 2), np.array(ldos.values)
        for z in (6, 14):
            values[numbers == z] -= values[numbers == z].mean(axis=0)
            rows[numbers == z] -= rows[numbers == z].mean(axis=0)
            rows[numbers == z] /= np.sqrt((rows[numbers == z] ** 2).sum(axis=1).mean())
        expected = 0.0
        for group in range(4):
            for z in (6, 14):
                kept, out = ((numbers == z) & (of_atom != group)), ((numbers == z) & (of_atom == group))
                model = LDOSKernelRidge(alpha, subtract_mean=False).fit(rows[kept], values[kept])
                expected += ((model.predict(rows[out]) - values[out]) ** 2).sum() if out.any() else 0.0
        expected /= np.var(ldos.values) * values.size
        found = LeftOut(structures, ldos, groups).loss(torch.from_numpy(rows), np.arange(8), torch.tensor(alpha))
        assert found.item() == pytest.approx(expected, rel=1e-5)  # all but a millionth of the variance is kept


class TestFit:
    def test_it_finds_what_tells_environments_apart(self):
        """LDOS from other parameters: a regression on the fitted spectra is better on structures that no fit has."""
        structures = strained(24)
        truth = replace(FITTED, shifts=FITTED.shifts + np.array([1.0, -0.5, 0, 0, 0]), slopes=FITTED.slopes - 0.5)
        ldos = ldos_of(structures, truth)
        train, test = slice(0, 16), slice(16, None)
        fitted = fit_tight_binding_to_ldos(
            structures[train], ldos.select(np.arange(16)), np.arange(16), k_density=MESH, n_steps=15
        )
        errors = {}
        for name, parameters in (("shipped", None), ("fitted", fitted)):
            descriptor = Whitened(TightBindingSpectrum(k_density=MESH, parameters=parameters), power=0.0)
            X = descriptor.fit(structures[train]).transform(structures[train])
            model = LDOSKernelRidge().fit(X, ldos.values[:32], groups=np.repeat(np.arange(16), 2))
            errors[name] = np.linalg.norm(model.predict(descriptor.transform(structures[test])) - ldos.values[32:])
        assert errors["fitted"] < 0.9 * errors["shipped"]

    def test_only_the_elements_of_the_set_come_back(self):
        structures = strained(4)
        fitted = fit_tight_binding_to_ldos(
            structures, ldos_of(structures, None), [0, 0, 1, 1], k_density=0.5, n_steps=1, share=0.5
        )
        assert fitted.missing([14, 6]) == ["C"]
        assert 0 < np.abs(fitted.shifts[14] - FITTED.shifts[14]).max() < 0.2
        assert not fitted.pulls[6]

    def test_a_large_penalty_keeps_the_start(self):
        structures = strained(4)
        ldos, steps = ldos_of(structures, None), {"k_density": 0.5, "n_steps": 6}
        free, kept = (
            fit_tight_binding_to_ldos(structures, ldos, np.arange(4), penalty=penalty, **steps) for penalty in (0, 100)
        )
        change, held = (np.abs(found.shifts[14] - FITTED.shifts[14]).mean() for found in (free, kept))
        assert held < 0.7 * change

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"groups": [0, 1]}, "groups must have shape"),
            ({"groups": [0, 0, 0, 0]}, "needs at least two groups; got one"),
            ({"n_steps": 0}, "n_steps must be a positive whole number"),
            ({"share": 0.0}, "share must be above 0, up to 1"),
            ({"k_density": -1.0}, "k_density must be"),
            ({"penalty": -1.0}, "penalty must be at least 0"),
        ],
    )
    def test_impossible_arguments_are_refused(self, options, message):
        structures = strained(4)
        arguments = {"groups": np.arange(4)} | options
        with pytest.raises(ValueError, match=message):
            fit_tight_binding_to_ldos(structures, ldos_of(structures, None), **arguments)

    def test_atoms_without_ldos_are_refused(self):
        structures = strained(4)
        with pytest.raises(ValueError, match="ldos must have shape"):
            fit_tight_binding_to_ldos(structures[:3], ldos_of(structures, None), np.arange(3))
