"""Import every module of the installed package. A module may fail only by saying which extra installs what it needs."""

import pkgutil
import sys
from importlib import import_module
from importlib.metadata import distribution
from pathlib import Path

import ldosml


def main() -> None:
    """Import all, and say how many."""
    installed = Path(str(distribution("ldosml").locate_file("ldosml")))
    if Path(ldosml.__file__).parent != installed:
        sys.exit(f"ldosml comes from {ldosml.__file__}, not from the wheel, which is in {installed}.")
    modules = pkgutil.walk_packages(ldosml.__path__, "ldosml.", onerror=lambda name: None)
    names = [module.name for module in modules if not module.name.endswith(".__main__")]
    failed = []
    for name in names:
        try:
            import_module(name)
        except ImportError as error:
            if "pip install 'ldosml[" not in str(error):
                sys.exit(f"{name} does not import: {error}. Does setup.cfg list what it needs?")
            failed.append(name)
    print(f"{len(names) - len(failed)} modules import; without their extra, these do not: {', '.join(failed)}")


if __name__ == "__main__":
    main()
