"""The line of a POSCAR file at which a reader stops, and what it must hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ase.data import atomic_numbers

_START = 5  # lines before the elements: comment, scale, lattice vectors


def poscar_fault(text: str) -> str | None:
    r"""Find the first line of a POSCAR file that breaks the format.

    Parameters
    ----------
    text : str
        The file.

    Returns
    -------
    str or None
        The line, what was expected there and what came; None where no fault is found.

    Examples
    --------
    >>> print(poscar_fault("Si\n5.43\n0 0.5 0.5\n0.5 0 0.5\n0.5 0.5\n"))
    line 5 must be the third lattice vector, three numbers; got '0.5 0.5'
    """
    lines = text.splitlines()
    for number, expected, right in _expected(lines):
        if not right:
            return f"line {number} must be {expected}; got {_shown(lines, number)}"
    return None


def lost_atoms(text: str) -> str | None:
    """Find where a POSCAR file counts other atoms than it has, which readers accept in silence.

    They skip a line of numbers right after the positions: an atom, or a velocity, after which all velocities belong to
    the next atom. Elements without a number are left out.

    Parameters
    ----------
    text : str
        The file.

    Returns
    -------
    str or None
        As ``poscar_fault``; None where other lines are at fault.
    """
    lines = text.splitlines()
    for number, expected, right in _expected(lines):
        if not right:
            counts = expected.startswith(("the number of atoms", "the end of the file"))
            return f"line {number} must be {expected}; got {_shown(lines, number)}" if counts else None
    return None


def _expected(lines: Sequence[str]) -> Iterator[tuple[int, str, bool]]:
    """Number of each line, what it must be, and whether it is; ends where the rest depends on a line that is not."""
    yield 1, "a comment", bool(lines)
    yield 2, "the scale, one number or three", _numbers(_words(lines, 2)) in (1, 3)
    for number, name in enumerate(("first", "second", "third"), start=3):
        yield number, f"the {name} lattice vector, three numbers", _numbers(_words(lines, number)[:3]) == 3
    number = _START + 1
    symbols = _words(lines, number)
    if symbols and symbols[0].isdigit():  # VASP 4: the elements are in the comment
        elements = len(symbols)
    else:
        elements = len(symbols)
        known = all(word.split("/")[0].split("_")[0] in atomic_numbers for word in symbols)
        yield number, "the elements, such as 'Si C'", bool(symbols) and known
        number += 1
    counts = _words(lines, number)
    right = len(counts) == elements and all(word.isdigit() for word in counts)
    yield number, f"the number of atoms of each of the {elements} elements", right
    if not right:
        return
    number += 1
    selective = _initial(lines, number) == "s"
    number += selective
    yield number, "'Direct' or 'Cartesian'", _initial(lines, number).isalpha()
    n_atoms = sum(map(int, counts))
    for atom in range(1, n_atoms + 1):
        words = _words(lines, number + atom)
        what = f"the position of atom {atom} of {n_atoms}, three numbers"
        if selective:
            yield number + atom, f"{what} and three of T and F", _numbers(words[:3]) == 3 and len(words) >= 6
        else:
            yield number + atom, what, _numbers(words[:3]) == 3
    number += n_atoms + 1
    after = f"the end of the file, or empty or 'Cartesian' before velocities, since there are {n_atoms} atoms"
    yield number, after, _numbers(_words(lines, number)[:3]) < 3
    if _initial(lines, number) == "l":  # velocities of the lattice: a state, 6 vectors, an empty line
        number += 8
    if len(_words(lines, number + 1)) < 2:  # no velocities
        return
    for atom in range(1, n_atoms + 1):
        what = f"the velocity of atom {atom} of {n_atoms}, three numbers"
        yield number + atom, what, _numbers(_words(lines, number + atom)) == 3


def _words(lines: Sequence[str], number: int) -> list[str]:
    """Words of a line before a comment; none where the file has ended."""
    return lines[number - 1].split("!")[0].split() if number <= len(lines) else []


def _initial(lines: Sequence[str], number: int) -> str:
    words = _words(lines, number)
    return words[0][0].lower() if words else ""


def _numbers(words: Sequence[str]) -> int:
    """Number of words, or 0 unless all are numbers."""
    try:
        return len([float(word) for word in words])
    except ValueError:
        return 0


def _shown(lines: Sequence[str], number: int) -> str:
    if number > len(lines):
        return "the end of the file"
    line = lines[number - 1].strip()
    return repr(line if len(line) <= 60 else f"{line[:57]}...") if line else "an empty line"
