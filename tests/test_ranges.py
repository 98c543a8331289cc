"""Every public function and method checks its numbers first, by the table of ranges, and names the one at fault."""

import importlib
import inspect
import re

import numpy as np
import pytest
from ase.build import bulk
from test_docstrings import PACKAGES, public_names

import ldosml
from ldosml._ranges import RANGES, check_arguments

INNER = {"ldosml.solvers", "ldosml.kernels", "ldosml.kernel_matrices"}
"""Called in loops with arrays that estimators have checked."""

OWN = {
    # A width of 0
    "broaden": {"width"},
    "labels": {"width"},
    "known_bins": {"width"},
    "anywhere": {"width"},
    # What is not known
    "save": {"n_electrons"},
    "from_arrays": {"fermi_energy"},
    "import_dataset": {"fermi_energy"},
    "count": {"energy"},
    "projected_fraction": {"energy"},
    # Tables of a PropertyTable itself
    "spread": {"n_atoms"},
    # Checked against what is there
    "dos": {"zero"},
    "farthest_points": {"start"},
    "from_eigenvalues": {"electrons_per_band"},
    "of_species": {"species"},
    "of_spin": {"spin"},
    "binding": {"network"},
    "tight_binding": {"network"},
    "plot": {"structure"},
    "ldos": {"structure"},
    "of_structure": {"structure"},
    "rows": {"structure"},
    "plot_spectra": {"structure"},
    "spectra_figure": {"structure"},
    "structure_figure": {"structure"},
    # Numbers in words
    "duration_in_words": {"seconds"},
    "in_words": {"size"},
    "require_memory": {"size"},
    "same_width": {"one", "other"},
}
"""Arguments with a check of their own, by function or method."""

NUMBER = re.compile(r"(^|\| )(float|int|Numbers)\b")


def public_functions():
    """Dotted name and function of what is public, inherited methods included."""
    for package in PACKAGES:
        if package in INNER or (package == "ldosml.neural" and importlib.util.find_spec("torch") is None):
            continue
        module = importlib.import_module(package)
        names = set(public_names(package))
        for name in getattr(module, "__all__", ()):
            found = getattr(module, name)
            if inspect.isclass(found) and f"{package}.{name}" in names:
                names |= {f"{package}.{name}.{method}" for method in dir(found) if not method.startswith("_")}
        for name in sorted(names):
            found = module
            for part in name.removeprefix(f"{package}.").split("."):
                found = inspect.getattr_static(found, part)
            function = inspect.unwrap(getattr(found, "__func__", found))
            if inspect.isfunction(function) and function.__module__.startswith("ldosml"):
                yield name, function


def checked_functions():
    """Dotted name, function and the arguments in the table."""
    for name, function in public_functions():
        numbers = [
            each
            for each, what in inspect.signature(function).parameters.items()
            if each in RANGES
            and each not in OWN.get(name.split(".")[-1], ())
            and re.search(r"\b(float|int|Numbers|Array|ArrayLike|NDArray)\b", str(what.annotation))
            and "Mapping" not in str(what.annotation)
        ]
        if numbers:
            yield name, function, numbers


def test_every_number_has_a_range():
    missing = {
        f"{name}({each})"
        for name, function in public_functions()
        for each, what in inspect.signature(function).parameters.items()
        if NUMBER.search(str(what.annotation)) and each not in RANGES and each not in OWN.get(name.split(".")[-1], ())
    }
    assert not missing, "Add these arguments to ldosml/_ranges.py and check them first, or name their own check in OWN."


FUNCTIONS = list(checked_functions())
BAD = {"a word": "wide", "nan": np.nan, "minus": -1e-3, "huge": 1e300, "minus huge": -1e300, "a list": [["x"]]}


def fitting(name):
    """A number in the range of an argument."""
    return next(x for x in (0.5, 2, 1, 300) if RANGES[name].holds(np.asarray(float(x))))


@pytest.mark.parametrize(("name", "function", "numbers"), FUNCTIONS, ids=[name for name, *_ in FUNCTIONS])
def test_each_argument_is_checked_and_named(name, function, numbers):
    parameters = inspect.signature(function).parameters
    given = {
        each: object()
        for each, what in parameters.items()
        if what.default is what.empty and what.kind not in (what.VAR_POSITIONAL, what.VAR_KEYWORD)
    }
    given |= {each: fitting(each) for each in numbers}
    for argument in numbers:
        for kind, value in BAD.items():
            if isinstance(value, float) and RANGES[argument].holds(np.asarray(value)):
                continue
            with pytest.raises((ValueError, TypeError), match=rf"^{re.escape(argument)} .*must be .*; got "):
                if inspect.isgenerator(result := function(**given | {argument: value})):
                    next(result)
                pytest.fail(f"{name} takes {argument}={value!r} ({kind})")


X, Y = np.linspace(0, 1, 24).reshape(8, 3), np.linspace(1, 2, 40).reshape(8, 5)
GIVEN = {"SOAP": {"r_cut": 4.0, "n_max": 2, "l_max": 1}, "Joined": {"parts": [ldosml.SOAP()]}}
OWN_PARAMETERS = {"n_max", "l_max", "n_components", "species"}
"""Checked against each other or the data, with a message of their own."""


def estimators():
    """Estimators and descriptors, each with its parameters that are numbers."""
    for name in ldosml.__all__:
        found = getattr(ldosml, name)
        if inspect.isclass(found) and hasattr(found, "get_params"):
            parameters = inspect.signature(found).parameters.items()
            numbers = [each for each, what in parameters if NUMBER.search(str(what.annotation))]
            yield found, [each for each in numbers if each not in OWN_PARAMETERS]


ESTIMATORS = list(estimators())


@pytest.mark.parametrize(("kind", "numbers"), ESTIMATORS, ids=[kind.__name__ for kind, _ in ESTIMATORS])
def test_each_parameter_is_checked_at_fit(kind, numbers):
    silicon = bulk("Si")
    silicon.arrays["descriptor"] = np.ones((2, 3))
    given = GIVEN.get(kind.__name__, {})
    for parameter in numbers:
        for value in BAD.values():
            if isinstance(value, float) and RANGES[parameter].holds(np.asarray(value)):
                continue
            model = kind(**given | {parameter: value})
            with pytest.raises((ValueError, TypeError), match=rf"^{parameter} of {kind.__name__} must be .*; got "):
                model.fit([silicon]) if hasattr(model, "check_parameters") else model.fit(X, Y)


def test_most_of_the_package_is_here():
    assert len(FUNCTIONS) > 90


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temperature": [300.0, 0.0]}, "temperature must be above 0 K and finite; got 0 at place 1 of 2. For T -> 0"),
        ({"n_jobs": -99}, "n_jobs must be a positive whole number or -1; got -99"),
        ({"n_jobs": 2.5}, "n_jobs must be a positive whole number or -1"),
        ({"test_size": 1.0}, "test_size must be above 0 and below 1; got 1"),
        ({"upsample": 100}, "upsample must be a positive whole number at most 64; got 100"),
        ({"temperature": 1e12}, r"temperature must be at most 1e\+09 K; got 1e\+12"),
        ({"n_draws": True}, "n_draws must be a positive whole number; got True"),
        ({"mu": "x"}, "mu must be finite; got 'x'"),
    ],
)
def test_messages(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        check_arguments(**arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"n_jobs": -1},
        {"n_jobs": None},
        {"low": -np.inf},
        {"temperature": np.array([1.0, 2.0])},
        {"random_state": np.random.default_rng(0)},
        {"n_draws": np.int64(3)},
    ],
)
def test_what_fits_passes(arguments):
    check_arguments(**arguments)


def test_arrays_of_other_namespaces(xp):
    check_arguments(mu=xp.asarray([0.0, 1.0]))
    with pytest.raises(ValueError, match="mu must be finite; got nan at place 1 of 2"):
        check_arguments(mu=xp.asarray([0.0, float("nan")]))
