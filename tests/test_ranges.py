"""Every public function and method checks its numbers first, by the table of ranges, and names the one at fault."""

import importlib
import inspect
import re

import numpy as np
import pytest
from test_docstrings import PACKAGES, public_names

from ldosml._ranges import RANGES, check_arguments

INNER = {"ldosml.solvers", "ldosml.kernels", "ldosml.kernel_matrices"}
"""Called in loops with arrays that estimators have checked."""

OWN = {
    "broaden": {"width"},
    "labels": {"width"},
    "known_bins": {"width"},
    "anywhere": {"width"},
    "save": {"n_electrons"},
}
"""Arguments with a check of their own: a width of 0, electrons that are not known."""


def checked_functions():
    """Dotted name, function and the arguments in the table, of what is public, inherited methods included."""
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
            if not inspect.isfunction(function) or not function.__module__.startswith("ldosml"):
                continue
            numbers = [
                each
                for each, what in inspect.signature(function).parameters.items()
                if each in RANGES
                and each not in OWN.get(name.split(".")[-1], ())
                and "Mapping" not in str(what.annotation)
            ]
            if numbers:
                yield name, function, numbers


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


def test_most_of_the_package_is_here():
    assert len(FUNCTIONS) > 90


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temperature": [300.0, 0.0]}, "temperature must be above 0 K and finite; got 0 at place 1 of 2. For T -> 0"),
        ({"n_jobs": -99}, "n_jobs must be a positive whole number or -1; got -99"),
        ({"n_jobs": 2.5}, "n_jobs must be a positive whole number or -1"),
        ({"test_size": 1.0}, "test_size must be above 0 and below 1; got 1"),
        ({"upsample": 100}, "upsample must be at most 64; got 100"),
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
