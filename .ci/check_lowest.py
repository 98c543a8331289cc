"""Stop unless each dependency is installed in the lowest version that setup.cfg allows."""

import sys
from importlib.metadata import requires, version

from packaging.requirements import Requirement
from packaging.version import Version


def too_low(extras: set[str]) -> list[str]:
    """Bounds of ldosml and of ``extras`` that are below what is installed, a line each."""
    lines = []
    for requirement in map(Requirement, requires("ldosml") or []):
        wanted = requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras)
        bounds = [Version(each.version) for each in requirement.specifier if each.operator == ">="]
        if not wanted or not bounds:
            continue
        installed = Version(version(requirement.name))
        if installed != max(bounds):
            lines.append(f"{requirement.name}: setup.cfg allows {max(bounds)}; the lowest that installs is {installed}")
    return lines


if __name__ == "__main__":
    found = too_low(set(sys.argv[1].split(",")))
    sys.exit("Raise these bounds in setup.cfg:\n" + "\n".join(found) if found else 0)
