"""Every public function, class and method says what it takes and what it gives, by numpydoc's own validation."""

import importlib
import inspect

import pytest
from numpydoc.validate import validate

PACKAGES = [
    "ldosml",
    "ldosml.bootstrap",
    "ldosml.datasets",
    "ldosml.energy",
    "ldosml.inducing",
    "ldosml.kernel_matrices",
    "ldosml.kernels",
    "ldosml.kresolved",
    "ldosml.neural",
    "ldosml.plotting",
    "ldosml.properties",
    "ldosml.readers",
    "ldosml.report",
    "ldosml.resources",
    "ldosml.search",
    "ldosml.smearing",
    "ldosml.solvers",
    "ldosml.streaming",
    "ldosml.studies",
]

CODES = {
    "GL08": "no docstring",
    "PR01": "a parameter is not documented",
    "PR02": "a parameter is documented that there is not",
    "RT01": "no Returns",
    "YD01": "no Yields",
    "SS01": "no summary",
}


def public_names(package):
    """Dotted names of what a package exports, and of the public methods of its classes."""
    module = importlib.import_module(package)
    exported = getattr(module, "__all__", None)
    if exported is None:
        exported = [name for name, found in vars(module).items() if getattr(found, "__module__", None) == package]
    for name in sorted(exported):
        found = getattr(module, name)
        if name.startswith("_") or not callable(found) or not hasattr(found, "__module__"):
            continue
        if inspect.isclass(found) and issubclass(found, Warning | Exception):
            continue
        if not getattr(found, "_is_protocol", False):  # it has no constructor
            yield f"{package}.{name}"
        if inspect.isclass(found):
            for method, what in sorted(vars(found).items()):
                if not method.startswith("_") and (inspect.isfunction(what) or isinstance(what, classmethod)):
                    yield f"{package}.{name}.{method}"


def problems(name):
    """What numpydoc finds wrong with the docstring of a name, among ``CODES``."""
    try:
        found = validate(name)
    except ValueError as error:  # a section that numpydoc does not know, or twice the same
        return [str(error)]
    return [f"{code}: {text}" for code, text in found["errors"] if code in CODES]


@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_public_is_documented(package):
    if package == "ldosml.neural":
        pytest.importorskip("torch")
    names = list(public_names(package))
    assert names
    wrong = {name: found for name in names if (found := problems(name))}
    assert not wrong, "\n".join(f"{name}: {'; '.join(found)}" for name, found in wrong.items())


def test_a_missing_section_is_found():
    assert any(text.startswith("PR01") for text in problems("test_docstrings.undocumented"))
    assert any(text.startswith("RT01") for text in problems("test_docstrings.undocumented"))


def undocumented(argument):
    """Give twice of it, and do not say what it is."""
    return 2 * argument
