"""Small DFT runs with known bands, written in the formats of several codes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
from ase import Atoms
from ase.io import ulm
from ase.io.trajectory import write_atoms
from ase.units import Bohr, Hartree, Rydberg

ATOMS = Atoms("SiC", scaled_positions=[[0, 0, 0], [0.25, 0.25, 0.25]], cell=np.eye(3) * 4.4, pbc=True)


@dataclass(frozen=True, eq=False)
class Case:
    """Bands of two atoms, (n_spins, n_kpoints, n_bands), with shares of the atoms and one orbital more each."""

    n_spins: int = 1
    spinor: bool = False
    weights: np.ndarray = field(default_factory=lambda: np.array([0.25, 0.75]))

    @cached_property
    def energies(self) -> np.ndarray:
        rng = np.random.default_rng(self.n_spins)
        points, filled = (self.n_spins, len(self.weights)), self.filled
        valence = np.sort(rng.uniform(-8, 3, (*points, filled)), axis=2)
        conduction = np.sort(rng.uniform(5.6, 9, (*points, filled // 2)), axis=2)
        return np.round(np.concatenate([valence, conduction, np.full((*points, 1), 9.5)], axis=2), 4)

    @cached_property
    def filled(self) -> int:
        return 8 if self.spinor else 4

    @cached_property
    def orbitals(self) -> np.ndarray:
        """Squared projections, (n_atoms, n_orbitals, n_spins, n_kpoints, n_bands)."""
        rng = np.random.default_rng(7)
        return np.round(rng.uniform(0.05, 0.25, (2, 2, *self.energies.shape)), 3)

    @cached_property
    def occupations(self) -> np.ndarray:
        return np.broadcast_to(np.arange(self.energies.shape[2]) < self.filled, self.energies.shape).astype(float)

    @cached_property
    def electrons(self) -> float:
        return 8.0

    fermi = 4.0


def write_vasprun(path: Path, case: Case) -> Path:
    """A vasprun.xml with eigenvalues, a printed DOS and projections."""

    def rows(table: np.ndarray) -> str:
        return "".join(f"<r> {' '.join(f'{x:.4f}' for x in row)} </r>\n" for row in np.atleast_2d(table))

    def structure(name: str) -> str:
        cell = "".join(f"<v> {' '.join(f'{x:.8f}' for x in row)} </v>" for row in ATOMS.cell)
        places = "".join(f"<v> {' '.join(f'{x:.8f}' for x in row)} </v>" for row in ATOMS.get_scaled_positions())
        return (
            f'<structure{name}><crystal><varray name="basis">{cell}</varray></crystal>'
            f'<varray name="positions">{places}</varray></structure>'
        )

    def eigenvalues() -> str:
        blocks = "".join(
            f'<set comment="spin {s + 1}">'
            + "".join(
                f'<set comment="kpoint {k + 1}">{rows(np.c_[case.energies[s, k], case.occupations[s, k]])}</set>'
                for k in range(len(case.weights))
            )
            + "</set>"
            for s in range(case.n_spins)
        )
        return f"<eigenvalues><array><field>eigene</field><set>{blocks}</set></array></eigenvalues>"

    def projected() -> str:
        found = ""
        for component in range(4 if case.spinor else case.n_spins):
            spin = 0 if case.spinor else component
            sign = -1 if case.spinor and component else 1  # components of the magnetisation
            found += f'<set comment="spin{component + 1}">'
            for k in range(len(case.weights)):
                bands = "".join(
                    f'<set comment="band {b + 1}">{rows(sign * case.orbitals[:, :, spin, k, b])}</set>'
                    for b in range(case.energies.shape[2])
                )
                found += f'<set comment="kpoint {k + 1}">{bands}</set>'
            found += "</set>"
        return (
            f"<projected>{eigenvalues()}<array><field>s</field><field>p</field><set>{found}</set></array></projected>"
        )

    axis = np.linspace(-10, 12, 100)
    printed = "".join(
        f'<set comment="spin {s + 1}">{rows(np.c_[axis, np.ones(100), np.arange(100) * 22 / 99])}</set>'
        for s in range(case.n_spins)
    )
    names = "".join(f"<rc><c>{symbol} </c><c>{i + 1}</c></rc>" for i, symbol in enumerate(ATOMS.symbols))
    points = "".join("<v> 0.1 0.2 0.3 </v>" for _ in case.weights)
    weights = "".join(f"<v> {w:.8f} </v>" for w in case.weights)
    flag = "T" if case.spinor else "F"
    path.write_text(
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n<modeling>'
        '<generator><i name="version" type="string">6.4.2 </i></generator>'
        f'<incar><i type="int" name="ISPIN"> {case.n_spins}</i></incar>'
        '<kpoints><generation param="Gamma"><v type="int" name="divisions"> 2 1 1 </v></generation>'
        f'<varray name="kpointlist">{points}</varray><varray name="weights">{weights}</varray></kpoints>'
        f'<parameters><i name="NELECT"> {case.electrons:.8f}</i><i type="int" name="ISPIN"> {case.n_spins}</i>'
        f'<i type="logical" name="LNONCOLLINEAR"> {flag} </i><i type="int" name="ISMEAR"> 0</i>'
        '<i name="SIGMA"> 0.05</i><i type="string" name="GGA">PE</i></parameters>'
        f'<atominfo><array name="atoms"><set>{names}</set></array>'
        '<array name="atomtypes"><set><rc><c>1</c><c>Si</c></rc></set></array></atominfo>'
        f"{structure('')}"
        f"<calculation>{structure('')}{eigenvalues()}"
        f'<dos><i name="efermi"> {case.fermi:.8f} </i><total><array><set>{printed}</set></array></total></dos>'
        f"{projected()}</calculation></modeling>\n"
    )
    return path


def write_vaspout(path: Path, case: Case) -> Path:
    """A vaspout.h5 with eigenvalues and projections."""
    with h5py.File(path, "w") as file:
        file["version/major"], file["version/minor"], file["version/patch"] = 6, 4, 3
        file["input/incar/ISPIN"] = case.n_spins
        file["input/incar/GGA"] = b"PE"
        if case.spinor:
            file["input/incar/LSORBIT"] = 1
        file["results/positions/ion_types"] = [b"Si", b"C"]
        file["results/positions/number_ion_types"] = [1, 1]
        file["results/positions/lattice_vectors"] = np.asarray(ATOMS.cell)
        file["results/positions/position_ions"] = ATOMS.get_scaled_positions()
        file["results/positions/scale"] = 1.0
        group = file.create_group("results/electron_eigenvalues")
        group["eigenvalues"], group["fermiweights"] = case.energies, case.occupations
        group["kpoints_symmetry_weight"], group["nelectrons"] = case.weights, case.electrons
        par = case.orbitals.transpose(2, 0, 1, 3, 4)
        file["results/projectors/par"] = np.concatenate([par, -par, -par, -par]) if case.spinor else par
        file["results/electron_dos/efermi"] = case.fermi
    return path


def write_procar(folder: Path, case: Case) -> Path:
    """PROCAR with POSCAR, EIGENVAL and a DOSCAR of its header alone."""
    n_spins, n_kpoints, n_bands = case.energies.shape
    lines = ["PROCAR lm decomposed"]
    for s in range(n_spins):
        lines.append(f"# of k-points:{n_kpoints:5d}         # of bands:{n_bands:5d}         # of ions:    2\n")
        for k in range(n_kpoints):
            lines.append(
                f" k-point {k + 1:4d} :    0.10000000 0.20000000 0.30000000     weight = {case.weights[k]:.8f}\n"
            )
            for b in range(n_bands):
                energy, filled = case.energies[s, k, b], case.occupations[s, k, b]
                lines.append(f"band {b + 1:4d} # energy {energy:14.8f} # occ. {filled:11.8f}\n")
                lines.append("ion      s     py    tot")
                values = case.orbitals[:, :, s, k, b]
                for sign in (1, -1, -1, -1) if case.spinor else (1,):
                    for ion, row in enumerate(sign * values):
                        lines.append(f"{ion + 1:5d} {row[0]:6.3f} {row[1]:6.3f} {row.sum():6.3f}")
                    total = sign * values.sum(axis=0)
                    lines.append(f"tot   {total[0]:6.3f} {total[1]:6.3f} {total.sum():6.3f}")
                lines.append("")
    (folder / "PROCAR").write_text("\n".join(lines) + "\n")
    write_eigenval(folder, case)
    (folder / "OUTCAR").write_text(
        f" vasp.6.4.2 20Jul23\n NELECT = {case.electrons:.4f}\n E-fermi : {case.fermi:.4f}\n"
    )
    return folder / "PROCAR"


def write_eigenval(folder: Path, case: Case) -> Path:
    """EIGENVAL and POSCAR."""
    n_spins, n_kpoints, n_bands = case.energies.shape
    lines = [f"    2    2    1    {n_spins}", " 1.0 2.0", " 1.0E-4", "  CAR ", " made"]
    lines.append(f" {case.electrons:.0f} {n_kpoints} {n_bands}")
    for k in range(n_kpoints):
        lines += ["", f"  0.1000000E+00  0.2000000E+00  0.3000000E+00  {case.weights[k]:.7E}"]
        for b in range(n_bands):
            columns = [*case.energies[:, k, b], *case.occupations[:, k, b]]
            lines.append(f" {b + 1:4d} " + " ".join(f"{x:12.6f}" for x in columns))
    (folder / "EIGENVAL").write_text("\n".join(lines) + "\n")
    ATOMS.write(folder / "POSCAR", format="vasp")
    return folder / "EIGENVAL"


def write_doscar(folder: Path, n_spins: int = 1, spinor: bool = False, fused: bool = False) -> Path:
    """DOSCAR of flat bands: 2 states/eV from -2 to 2 eV, of which the first atom has a quarter."""
    axis = np.linspace(-3, 3, 61)
    inside = (np.abs(axis) < 2.0001).astype(float)
    counted = np.concatenate([[0], np.cumsum(inside[1:] * 0.1)])
    header = f"{3:16.8f}{-3:16.8f}{61:5d}{0.5:16.8f}{1:16.8f}"
    if fused:
        header = f"{3:16.8f}{-3:16.8f}{61:05d}{0.5:16.8f}{1:16.8f}"
    lines = [f"    2    2    1    {4 if spinor else n_spins}", " 1.0", " 1.0E-4", "  CAR ", " made", header]
    each = 2.0 / n_spins
    lines += [
        f"{e:11.3f} " + " ".join([f"{each * d:.4E}"] * n_spins + [f"{each * n:.4E}"] * n_spins)
        for e, d, n in zip(axis, inside, counted, strict=True)
    ]
    for share in (0.25, 0.75):
        lines.append(header)
        for e, d in zip(axis, inside, strict=True):
            columns = []
            for orbital in (0.5, 0.3, 0.2):  # s, p, d
                value = share * each * d * orbital
                columns += [value] * n_spins + ([-value] * 3 if spinor else [])
            lines.append(f"{e:11.3f} " + " ".join(f"{x:.4E}" for x in columns))
    (folder / "DOSCAR").write_text("\n".join(lines) + "\n")
    ATOMS.write(folder / "POSCAR", format="vasp")
    return folder / "DOSCAR"


def write_espresso(
    folder: Path, case: Case, interleaved: bool = False, levels: tuple[float, ...] = (Case.fermi,)
) -> Path:
    """data-file-schema.xml and atomic_proj.xml, with empty pdos files that tell the orbitals."""
    save = folder / "out" / "x.save"
    save.mkdir(parents=True)
    n_spins, n_kpoints, n_bands = case.energies.shape
    cell = "".join(
        f"<{name}>{' '.join(f'{x / Bohr:.12e}' for x in row)}</{name}>"
        for name, row in zip(("a1", "a2", "a3"), ATOMS.cell, strict=True)
    )
    atoms = "".join(
        f'<atom name="{kind}" index="{i + 1}">{" ".join(f"{x / Bohr:.12e}" for x in row)}</atom>'
        for i, (kind, row) in enumerate(zip(("Si1", "C_a"), ATOMS.positions, strict=True))
    )
    flags = f"<lsda>{str(n_spins == 2).lower()}</lsda><noncolin>{str(case.spinor).lower()}</noncolin>"

    def listed(table: np.ndarray) -> str:
        return " ".join(f"{x:.12e}" for x in np.ravel(table))

    name = "fermi_energy" if len(levels) == 1 else "two_fermi_energies"
    states = "".join(
        f'<ks_energies><k_point weight="{2 * w:.12e}">0 0 0</k_point>'
        f'<eigenvalues size="{n_bands * n_spins}">{listed(case.energies[:, k] / Hartree)}</eigenvalues>'
        f"<occupations>{listed(case.occupations[:, k])}</occupations></ks_energies>"
        for k, w in enumerate(case.weights)
    )
    (save / "data-file-schema.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n<qes:espresso xmlns:qes="http://www.quantum-espresso.org/ns/qes/qes-1.0">'
        '<general_info><creator NAME="PWSCF" VERSION="7.2"/></general_info><input><control_variables>'
        "<calculation>nscf</calculation></control_variables><basis><ecutwfc>1.5e1</ecutwfc></basis>"
        '<k_points_IBZ><monkhorst_pack nk1="2" nk2="1" nk3="1" k1="0" k2="0" k3="0"/></k_points_IBZ></input>'
        f'<output><atomic_structure nat="2"><atomic_positions>{atoms}</atomic_positions><cell>{cell}</cell>'
        f"</atomic_structure><dft><functional>PBE</functional></dft><band_structure>{flags}<nelec>{case.electrons}</nelec>"
        f"<{name}>{listed(np.array(levels) / Hartree)}</{name}>{states}</band_structure></output></qes:espresso>\n"
    )
    order = [(s, k) for s in range(n_spins) for k in range(n_kpoints)]
    if interleaved:
        order = [(s, k) for k in range(n_kpoints) for s in range(n_spins)]
    repeats = 2 if case.spinor else 1
    blocks = ""
    for s, k in order:
        blocks += f'<K-POINT Weight="{case.weights[k]}"> 0 0 0 </K-POINT>'
        blocks += f"<E> {listed(case.energies[s, k] / Rydberg)} </E><PROJS>"
        number = 0
        # One s orbital and three p orbitals of each atom; those of p share its weight.
        for atom in range(2):
            for orbital, count in ((0, 1), (1, 3)):
                for _ in range(count * repeats):
                    number += 1
                    amplitude = np.sqrt(case.orbitals[atom, orbital, s, k] / (count * repeats))
                    pairs = np.c_[0.6 * amplitude, -0.8 * amplitude]
                    blocks += f'<ATOMIC_WFC index="{number}" spin="{s + 1}"> {listed(pairs)} </ATOMIC_WFC>'
        blocks += "</PROJS>"
    (save / "atomic_proj.xml").write_text(f"<PROJECTIONS><HEADER/><EIGENSTATES>{blocks}</EIGENSTATES></PROJECTIONS>\n")
    for atom, symbol in enumerate(ATOMS.symbols):
        for wave, letter in enumerate("sp"):
            (folder / f"x.pdos_atm#{atom + 1}({symbol})_wfc#{wave + 1}({letter})").write_text("# E (eV)  ldos(E)\n")
    return save / "data-file-schema.xml"


def write_arrays(path: Path, case: Case) -> Path:
    """An .npz file of bands."""
    squeeze = (lambda x, axis: x.squeeze(axis)) if case.n_spins == 1 else (lambda x, axis: x)
    np.savez(
        path,
        eigenvalues=squeeze(case.energies, 0),
        kpoint_weights=case.weights,
        atom_weights=squeeze(case.orbitals.sum(axis=1), 1),
        occupations=squeeze(case.occupations, 0),
        numbers=ATOMS.numbers,
        positions=ATOMS.positions,
        cell=np.asarray(ATOMS.cell),
        fermi_energy=case.fermi,
        n_electrons=case.electrons,
        spinor=case.spinor,
    )
    return path


GPAW_WAVES = {"n_j": [3, -1], "l_j": [0, 1]}


def write_gpaw(path: Path, case: Case, version: int = 3, levels: tuple[float, ...] = (Case.fermi,)) -> Path:
    """A .gpw file of bands, with one bound s wave and three unbound p waves an atom (``GPAW_WAVES``).

    Files of version 1 and 2 hold the Fermi level elsewhere.
    """
    squeeze = (lambda x: x[0]) if case.spinor else (lambda x: x)
    bound = np.moveaxis(np.sqrt(case.orbitals.sum(axis=1)), 0, -1)  # (n_spins, n_kpoints, n_bands, n_atoms)
    if case.spinor:  # both components alike
        bound = np.stack([bound, bound], axis=-2) / np.sqrt(2)
    unbound = np.ones((*bound.shape, 3))
    projections = np.concatenate([bound[..., None], unbound], axis=-1).reshape(*bound.shape[:-1], -1)
    with ulm.open(path, "w", tag="gpaw") as writer:
        writer.write(version=version, gpaw_version="22.8.0", ha=Hartree, bohr=Bohr)
        write_atoms(writer.child("atoms"), ATOMS)
        writer.child("parameters").write(xc={"name": "PBE"}, mode={"name": "pw", "ecut": 250.0}, kpts=[2, 1, 1])
        if version < 3:
            split = levels[0] - levels[-1]
            writer.child("occupations").write(fermilevel=float(np.mean(levels)), split=split)
        states = writer.child("wave_functions")
        if version >= 3:
            states.write(fermi_levels=np.array(levels))
        states.child("kpts").write(weights=case.weights)
        states.write(eigenvalues=squeeze(case.energies), occupations=squeeze(case.occupations))
        states.write(projections=squeeze(projections))
    return path


def write_siesta(folder: Path, case: Case, low: float = -12.0) -> Path:
    """EIG, KP, XV and PDOS.xml; in the PDOS the first atom has a quarter of each state at every energy."""
    n_spins, n_kpoints, n_bands = case.energies.shape
    components = 4 if case.spinor else n_spins
    lines = [f"   {case.fermi:.6f}", f"  {n_bands} {components} {n_kpoints}"]
    for k in range(n_kpoints):
        lines.append(f" {k + 1} " + " ".join(f"{e:.6f}" for e in case.energies[:, k].ravel()))
    (folder / "x.EIG").write_text("\n".join(lines) + "\n")
    points = [f"{k + 1} 0.1 0.2 0.3 {w:.6f}" for k, w in enumerate(case.weights)]
    (folder / "x.KP").write_text("\n".join([f" {n_kpoints}", *points]) + "\n")
    cell = [" ".join(f"{x / Bohr:.9f}" for x in row) + "  0 0 0" for row in ATOMS.cell]
    atoms = [
        f" {n + 1} {z} " + " ".join(f"{x / Bohr:.9f}" for x in row) + "  0 0 0"
        for n, (z, row) in enumerate(zip(ATOMS.numbers, ATOMS.positions, strict=True))
    ]
    (folder / "x.XV").write_text("\n".join([*cell, "2", *atoms]) + "\n")
    axis = np.linspace(low, 14, 200)
    orbitals = ""
    for atom, share in ((1, 0.1), (1, 0.15), (2, 0.75)):
        rows = np.outer(np.ones(200), [share, share, 0.7, 0.7][:components])
        data = "\n".join(" ".join(f"{x:.6e}" for x in row) for row in rows)
        orbitals += f'<orbital index="1" atom_index="{atom}" species="X"><data>\n{data}\n</data></orbital>\n'
    (folder / "x.PDOS.xml").write_text(
        f"<pdos><nspin>{components}</nspin><norbitals>3</norbitals><fermi_energy units='eV'>{case.fermi}</fermi_energy>"
        f"<energy_values>{' '.join(f'{e:.6f}' for e in axis)}</energy_values>{orbitals}</pdos>\n"
    )
    (folder / "RUN.out").write_text(
        "Version         : 5.2\nreinit: System Label: x  (siesta)\nxc_check: GGA Perdew, Burke & Ernzerhof 1996\n"
        f"Total number of electrons:     {case.electrons:.6f}\n"
        "redata: Mesh Cutoff                                 =   150.0000 Ry\n"
        "redata: Electronic Temperature                      =   116.0452 K\n"
        "siesta: k-grid: Number of k-points = 63\nsiesta: k-grid:     5     0     0      0.000\n"
        "siesta: k-grid:     0     4     0      0.000\nsiesta: k-grid:     0     0     3      0.500\n"
    )
    return folder / "x.EIG"


def write_cp2k(folder: Path, case: Case, kind: str = "list", unit: str = "a.u.") -> Path:
    """The .pdos files of each atom (or kind) and spin at the first k-point, with a restart and a listing."""
    spins = ("ALPHA_", "BETA_") if case.n_spins == 2 else ("",)
    scale = Hartree if unit == "a.u." else 1.0
    capacity = 1 if case.n_spins == 2 else 2
    for s, spin in enumerate(spins):
        for atom, symbol in enumerate(ATOMS.symbols):
            what = f"list {atom + 1} of 1 atoms" if kind == "list" else f"atomic kind {symbol}"
            lines = [
                f"# Projected DOS for {what} at iteration step i = 0, E(Fermi) = {case.fermi / scale:12.6f} {unit}",
                f"#     MO Eigenvalue [{unit}]      Occupation                 s                 p",
            ]
            for b, energy in enumerate(case.energies[s, 0]):
                values = case.orbitals[atom, :, s, 0, b]
                filled = capacity * case.occupations[s, 0, b]
                lines.append(f"{b + 1:8d} {energy / scale:16.10f} {filled:12.6f} {values[0]:.8f} {values[1]:.8f}")
            (folder / f"x-{spin}{kind}{atom + 1}-1.pdos").write_text("\n".join(lines) + "\n")
    cell = "\n".join(f" {name} " + " ".join(map(str, row)) for name, row in zip("ABC", ATOMS.cell, strict=True))
    atoms = "\n".join(
        f" {symbol} " + " ".join(map(str, row)) for symbol, row in zip(ATOMS.symbols, ATOMS.positions, strict=True)
    )
    (folder / "x-1.restart").write_text(
        f"&SUBSYS\n&CELL\n{cell}\n&END CELL\n&COORD\n{atoms}\n&END COORD\n&END SUBSYS\n"
    )
    each = case.electrons / case.n_spins
    (folder / "cp2k.out").write_text(
        " CP2K| version string:                 CP2K version 2025.1\n"
        " GLOBAL| Project name                                   x\n"
        f" DFT| Number of spin states                {case.n_spins}\n"
        " FUNCTIONAL| ROUTINE=NEW\n FUNCTIONAL| PBE:\n FUNCTIONAL| J.P.Perdew, K.Burke, M.Ernzerhof\n"
        " QS| Density cutoff [a.u.]:                           250.0\n"
        "                        Smear method:                                FERMI_DIRAC\n"
        "                        Electronic temperature [K]:                        500.0\n"
        + (
            f" Number of electrons:                      {each:.0f}\n"
            f" Number of molecular orbitals:             {case.energies.shape[2]}\n"
        )
        * case.n_spins
    )
    return folder / f"x-{spins[0]}{kind}1-1.pdos"


def write_fhi_aims(folder: Path, n_spins: int = 1, core: int = 4, per_atom: bool = True, doubled: bool = True) -> Path:
    """A listing and flat bands of 8 electrons from -9 to -5 eV against the vacuum, of which atom 1 has a quarter."""
    axis = np.linspace(-12, -1, 1101)
    height = 2.0 / n_spins if doubled else 1.0
    dos = np.where((axis > -9) & (axis < -5), height, 0.0)
    for suffix, shift, what in (
        ("_raw", 0.0, "the vacuum level"),
        ("", 4.0, "the chemical potential, mu = -4.000000 eV"),
    ):
        head = f"# made\n# The energy reference for this output is {what}\n"
        columns = np.c_[axis + shift, *[dos] * n_spins]
        text = "\n".join(" ".join(f"{x:.6f}" for x in row) for row in columns)
        (folder / f"KS_DOS_total{suffix}.dat").write_text(f"{head}# Energy (eV) DOS\n{text}\n")
        for atom, (symbol, share) in enumerate((("Si", 0.25), ("C", 0.75))):
            for spin in ("spin_up", "spin_dn") if n_spins == 2 else ("",):
                table = np.c_[axis + shift, share * dos, 0.5 * share * dos]
                rows = "\n".join(" ".join(f"{x:.6f}" for x in row) for row in table)
                if per_atom:
                    (folder / f"atom_proj_dos_{spin}{symbol}{atom + 1:04d}{suffix}.dat").write_text(f"{head}{rows}\n")
    cell = "\n".join("  | " + " ".join(f"{x:.6f}" for x in row) for row in ATOMS.cell)
    atoms = "\n".join(
        f"  | {n + 1:4d}: Species {symbol} " + " ".join(f"{x:.6f}" for x in row)
        for n, (symbol, row) in enumerate(zip(ATOMS.symbols, ATOMS.positions, strict=True))
    )
    (folder / "aims.out").write_text(
        "          Invoking FHI-aims ...\n          Version 231212\n   xc pbe\n   k_grid 4 4 4\n"
        "   output dos -12.0 -1.0 1101 0.05\n"
        f"  Input geometry:\n  | Unit cell:\n{cell}\n  | Atomic structure:\n{atoms}\n"
        f"  The structure contains        2 atoms,  and a total of         {8 + core}.000 electrons.\n"
        "  | Chemical potential (Fermi level) in eV                 : -.40000000E+01\n          Have a nice day.\n"
    )
    return folder / "aims.out"


def write_fhi_aims_bands(folder: Path, case: Case, whole: bool = False) -> Path:
    """A listing and eigenvalues, with core states, on a mesh of 4 points along one vector: whole, or its half."""
    energies, filled = case.energies, case.occupations * (1 if case.spinor or case.n_spins == 2 else 2)
    core = 4 if case.spinor else 2
    places = {3: (0.0, 0.25, 0.5), 4: (0.0, 0.25, 0.5, 0.75)}[4 if whole else 3]
    text = "# made\n# Output is written in electron Volts. 1 Ha =    27.211384500000 eV.\n\n"
    for number, place in enumerate(places):
        point = number if number < 3 else 1  # the opposite of the second
        text += f"k-point number:   {number + 1:8d}\nk-point in recip. lattice units:   {place:.12f}  0.0  0.0\n"
        text += "k-point in cartesian units (A^{-1}):   0.0  0.0  0.0\n\n"
        for band in range(core + energies.shape[2]):
            row = [f"{band + 1:8d}"]
            for spin in range(case.n_spins):
                deep = band < core
                occupation = filled.max() if deep else filled[spin, point, band - core]
                energy = -1800.0 - band if deep else energies[spin, point, band - core]
                row.append(f"{occupation:18.12f} {energy:18.12f}")
            text += "  ".join(row) + "\n"
        text += "\n"
    (folder / "Final_KS_eigenvalues.dat").write_text(text)
    path = write_fhi_aims(folder, case.n_spins, core=4, per_atom=False)
    for file in folder.glob("KS_DOS*"):
        file.unlink()
    listing = path.read_text().replace("k_grid 4 4 4", "k_grid 4 1 1")
    path.write_text(listing.replace("-.40000000E+01", f"{case.fermi:.8f}"))
    return path


def write_castep(folder: Path, case: Case, levels: tuple[float, ...] | None = None) -> Path:
    """.bands with its k-points in the order in which processes finished, .pdos_bin and .castep."""
    n_spins, n_kpoints, n_bands = case.energies.shape
    found = levels or (case.fermi,) * n_spins
    lines = [
        f"Number of k-points {n_kpoints:4d}",
        f"Number of spin components {n_spins}",
        "Number of electrons " + " ".join([f"{case.electrons / n_spins:.4f}"] * n_spins),
        "Number of eigenvalues " + " ".join([str(n_bands)] * n_spins),
        f"Fermi energies (in atomic units) {' '.join(f'{level / Hartree:.8f}' for level in found)}",
        "Unit cell vectors",
        *(" ".join(f"{x / Bohr:.8f}" for x in row) for row in ATOMS.cell),
    ]
    points = np.random.default_rng(1).uniform(-0.5, 0.5, (n_kpoints, 3)).round(6)
    for k in reversed(range(n_kpoints)):
        lines.append(f"K-point {k + 1:4d} " + " ".join(f"{x:.8f}" for x in points[k]) + f" {case.weights[k]:.8f}")
        for s in range(n_spins):
            lines += [f"Spin component {s + 1}", *(f"{e / Hartree:14.8f}" for e in case.energies[s, k])]
    (folder / "x.bands").write_text("\n".join(lines) + "\n")
    cell = "\n".join("   " + " ".join(f"{x:.7f}" for x in [*row, 0, 0, 0]) for row in ATOMS.cell)
    atoms = "\n".join(
        f"            x  {symbol:2s}  1   " + " ".join(f"{x:.6f}" for x in row) + "   x"
        for symbol, row in zip(ATOMS.symbols, ATOMS.get_scaled_positions(), strict=True)
    )
    vector = " spin treatment                             : vector\n" if case.spinor else ""
    (folder / "x.castep").write_text(
        f" CASTEP version 24.1\n using functional   : Perdew Burke Ernzerhof\n{vector}"
        f"      Real Lattice(A)              Reciprocal Lattice(1/A)\n{cell}\n{atoms}\n"
    )
    with (folder / "x.pdos_bin").open("wb") as file:

        def record(*parts: np.ndarray) -> None:
            content = b"".join(part.tobytes() for part in parts)
            mark = np.array(len(content), ">u4").tobytes()
            file.write(mark + content + mark)

        def whole(*values: int) -> np.ndarray:
            return np.array(values, ">i4")

        record(np.array([1.0], ">f8"))
        record(np.array([b"made".ljust(80)], ">S80"))
        for number in (n_kpoints, n_spins, 4, n_bands):
            record(whole(number))
        record(whole(1, 1, 2, 2))  # species, ions and momenta of the four orbitals
        record(whole(1, 1, 1, 1))
        record(whole(0, 1, 0, 1))
        for k in reversed(range(n_kpoints)):
            record(whole(k + 1), points[k].astype(">f8"))
            for s in range(n_spins):
                record(whole(s + 1))
                record(whole(n_bands))
                for b in range(n_bands):
                    record(case.orbitals[:, :, s, k, b].ravel().astype(">f8"))
    return folder / "x.bands"
