"""Errors of the library in the words of the command line.

The library tells its callers which argument to pass. Where a command has an option for it, the user is told of that.
"""

from __future__ import annotations

OPTIONS = {
    # folds and groups
    "(random_state)": "(--seed)",
    "pass groups=... if": "import them without --group-key if",
    "Pass groups=... if": "Import them without --group-key if",
    "pass other names=...": "import one anew from a file of another name.",
    "factor=1": "--factor 1",
    # energies
    "Pass zeros=..., eV, one for each structure.": "Pass another --zero.",
    "Pass zeros=..., or": "Pass another --zero, import it with its fermi_energy, or",
    "Move it there with refer_to(zeros=...), or": "Pass another --zero, or",
    "off first: refer_to(low=": "off when importing it (energies from ",
    "pass low=... to cut them off": "cut them off when importing it (fit, search: by --low)",
    "zero='fermi'": "--zero fermi",
    "Pass zero='code'": "Pass --zero code",
    'quadrature="auto"': "--quadrature auto",
    # smearing
    "say smearing_width when making or importing them": "say --smearing-width when importing them",
    "with its smearing_width": "with its --smearing-width",
    ": use broaden_to": ": fit it to data imported with --smearing-width",
    # electrons
    "n_electrons lacks": "--electrons lacks",
    "make the dataset with n_electrons": "import the dataset with --electrons",
    # models
    "SOAP needs r_cut": "SOAP needs --r-cut",
    "r_cut of SOAP": "--r-cut of SOAP",
    ", or pass species=[...] with all of them": "",
    "alpha='leave-one": "--alpha 'leave-one",
    "n_inducing=": "--inducing ",
    "Lower it, or give 'all'": "Lower it",
    "SparseLDOSKernelRidge learns": "With --inducing 1000 a model learns",
    " with precision='float32'": " with precision='float32' (in Python)",
    # crystals
    "pass allow_unknown=True": "pass --allow-unknown",
    "Take a depth between": "Give a --depth between",
    "held_out must name some": "--held-out must name some",
    "held_out names the": "--held-out names the",
    # files
    "ass overwrite=True": "ass --overwrite",
    "Ask for overwrite": "Pass --overwrite",
}
"""What the library says, and what to say instead. Phrases, since a bare name may be that of a field of a file."""


def in_options(error: object) -> str:
    """The text of an error, with options where it names arguments that only Python takes."""
    text = str(error)
    for said, option in OPTIONS.items():
        text = text.replace(said, option)
    return text
