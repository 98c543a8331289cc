"""The sets of spectra: where each one is, how it was computed, and what its label noise is measured on.

A set NAME has its records in data/NAME/records, its noise in data/NAME/noise, and is packed into data/NAME.h5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import compute_silicon
import compute_silicon_carbide
import compute_tin_chalcogenides
import espresso
import gpaw_bands
import numpy as np
import records
import silicon_carbide_structures
import silicon_structures
import silicon_surface_structures
import silicon_validation_structures
import tin_chalcogenide_structures
from run_plan import Code

DATA = Path(__file__).resolve().parents[1]
LOEWDIN = "Loewdin, divided by their sum over the atoms in each band, so that the LDOS add up to the DOS"
PROJECTORS = (
    "sums of |<projector|band>|^2 over the PAW projectors of bound partial waves, divided by their sum over the atoms "
    "in each band, so that the LDOS add up to the DOS"
)


@dataclass(frozen=True)
class Set:
    """One set.

    ``code`` takes the factor by which the k-density of the spectra is multiplied. The noise is measured on
    ``noise_names`` from ``noise_bottom`` on; that of properties needs every state, from ``states_bottom`` on.
    ``energy_max`` of the packed file ends at ``energy_cap``. These three are in eV against the Fermi level.
    """

    name: str
    energies: np.ndarray  # eV, the code's own zero
    code: Callable[[float], Code]
    provenance: dict[str, object]
    noise_names: tuple[str, ...]
    noise_bottom: float
    states_bottom: float
    noise_remark: str = ""
    energy_cap: float | None = None

    @property
    def records(self) -> Path:
        return DATA / self.name / "records"

    @property
    def noise(self) -> Path:
        return DATA / self.name / "noise"

    @property
    def packed(self) -> Path:
        return DATA / f"{self.name}.h5"


def _espresso_code(settings: espresso.Settings, factor: float) -> Code:
    finer = replace(settings, dos_k_density=factor * settings.dos_k_density)
    return partial(espresso.compute_bands, settings=finer)


def _gpaw_code(settings: gpaw_bands.GPAWSettings, factor: float) -> Code:
    finer = replace(settings, dos_k_density=factor * settings.dos_k_density)
    return partial(gpaw_bands.compute_bands, settings=finer)


def _seeds(seed: int, what: str, file: str) -> str:
    return f"numpy.random.default_rng([{seed}, number of the {what} in data/scripts/{file}])"


def _silicon_provenance(settings: espresso.Settings, seeds: str) -> dict[str, object]:
    return settings.describe() | {
        "seeds": seeds,
        "scripts": "data/scripts/compute_silicon.py, data/scripts/pack.py",
        "weights": LOEWDIN,
        "units": {
            "resolution": "states/eV/atom",
            "cutoffs, conv_thr, diago_thr_init": "Ry",
            "k densities": "angstrom",
        },
    }


def _silicon(name: str, settings: espresso.Settings, noise_names: tuple[str, ...]) -> Set:
    return Set(
        name=name,
        energies=records.ENERGIES,
        code=partial(_espresso_code, settings),
        provenance=_silicon_provenance(
            settings, _seeds(silicon_structures.SEED, "trajectory", "silicon_structures.py")
        ),
        noise_names=noise_names,
        noise_bottom=-14.0,
        states_bottom=-16.0,
    )


def _silicon_validation() -> Set:
    seeds = _seeds(silicon_validation_structures.SEED, "structure", "silicon_validation_structures.py")
    return replace(
        _silicon("silicon-validation", compute_silicon.SETTINGS, VALIDATION_NOISE),
        provenance=_silicon_provenance(compute_silicon.SETTINGS, seeds),
        # Compressed close packing has the widest bands.
        noise_bottom=-17.0,
        states_bottom=-19.0,
    )


def _silicon_surfaces() -> Set:
    seeds = _seeds(silicon_surface_structures.SEED, "structure", "silicon_surface_structures.py")
    densities = {"slabs": compute_silicon_carbide.DENSITY_2D, "clusters": "one k-point"}
    # Slabs that had enough bands were computed before clusters and other slabs got more of them.
    more = compute_silicon.SURFACE_SETTINGS.bands_per_volume
    bands = {"clusters, and slabs that ended below E_F + 6.48 eV without them": more, "other slabs": 0.0}
    return Set(
        name="silicon-surfaces",
        energies=compute_silicon_carbide.ENERGIES,
        code=lambda factor: partial(compute_silicon.compute_surface_bands, factor=factor),
        provenance=_silicon_provenance(compute_silicon.SURFACE_SETTINGS, seeds)
        | {"dos_k_density": densities, "bands_per_volume": bands},
        noise_names=SURFACE_NOISE,
        noise_bottom=-14.0,
        states_bottom=-18.0,  # of dense clusters; slabs begin at -12.5
        noise_remark="Slabs only: clusters have one k-point, and no mesh to refine.",
    )


def _silicon_carbide() -> Set:
    settings = compute_silicon_carbide.SETTINGS
    return Set(
        name="silicon-carbide",
        energies=compute_silicon_carbide.ENERGIES,
        code=lambda factor: partial(compute_silicon_carbide.compute_bands, factor=factor),
        provenance=settings.describe()
        | {
            "dos_k_density": {
                "one periodic direction": compute_silicon_carbide.DENSITY_1D,
                "two": compute_silicon_carbide.DENSITY_2D,
                "three, up to 4 atoms, up to 8, more": [density for _, density in compute_silicon_carbide.DENSITY_3D],
            },
            "seeds": _seeds(silicon_carbide_structures.SEED, "base structure", "silicon_carbide_structures.py"),
            "scripts": "data/scripts/compute_silicon_carbide.py, data/scripts/pack.py",
            "weights": LOEWDIN,
            "units": {
                "resolution": "states/eV/atom",
                "cutoffs, conv_thr, diago_thr_init": "Ry",
                "k densities": "angstrom",
            },
        },
        noise_names=(
            "C-graphite-6-0",
            "C-graphene-7-2",
            "C-4H-8-0",
            "SiC-3C-2-0",
            "SiC-antisite-8-2",
            "SiC-alloy-8-2-0",
            "Si-bcc-2-0",
            "Si-diamond-8-2",
            "Si-chain-2-0",
            "Si-silicene-2-2",
        ),
        noise_bottom=-24.0,
        states_bottom=-28.0,
        noise_remark="Periodic structures only: molecules have one k-point, and no mesh to refine.",
        energy_cap=8.0,
    )


def _tin_chalcogenides() -> Set:
    settings = gpaw_bands.GPAWSettings()
    return Set(
        name="tin-chalcogenides",
        energies=compute_tin_chalcogenides.ENERGIES,
        code=partial(_gpaw_code, settings),
        provenance=settings.describe()
        | {
            "seeds": _seeds(tin_chalcogenide_structures.SEED, "decoration", "tin_chalcogenide_structures.py"),
            "scripts": "data/scripts/compute_tin_chalcogenides.py, data/scripts/pack.py",
            "weights": PROJECTORS,
            "left out": "the 4d bands of Sn, in spectra and in the number of electrons (10 fewer an Sn atom)",
            "units": {
                "resolution": "states/eV/atom",
                "cutoff, electron_smearing, top, semicore_gap": "eV",
                "density_convergence": "electrons per valence electron",
                "eigenstate_convergence": "eV^2 per valence electron",
                "bands_per_volume": "1/angstrom^3",
                "k densities": "angstrom",
            },
        },
        noise_names=("Pnma-8-02-0", "Pnma-8-06-0", "Cmcm-4-08-0", "Cmcm-8-04-0", "P-3m1-6-06-0"),
        noise_bottom=-16.0,
        states_bottom=-18.0,
    )


SILICON_NOISE = (
    "diamond-2-000-0",
    "diamond-2-001-0",
    "beta-tin-4-000-0",
    "beta-tin-8-000-0",
    "diamond-8-000-0",
    "diamond-8-001-0",
    "liquid-16-000-0",
    "amorphous-16-000-0",
    "amorphous-16-001-0",
    "diamond-16-000-0",
)
VALIDATION_NOISE = (
    "dense-cubic-2",
    "dense-bcc-12",
    "diamond-8",
    "polytype-4H-8",
    "network-bc8-8",
    "random-8",
    "vacancy-11",
    "interstitial-9",
)
SURFACE_NOISE = (
    "slab-100-6",
    "slab-100-2x1-8",
    "slab-110-4",
    "slab-110-relaxed-6",
    "slab-111-2",
    "slab-111-2x1-8",
)
LARGE_NOISE = ("amorphous-48-001-0",)
SETS = {
    one.name: one
    for one in (
        _silicon("silicon", compute_silicon.SETTINGS, SILICON_NOISE),
        _silicon("silicon-large", compute_silicon.LARGE_SETTINGS, LARGE_NOISE),
        _silicon_validation(),
        _silicon_surfaces(),
        _silicon_carbide(),
        _tin_chalcogenides(),
    )
}
