"""Formulas of the site become MathML, and what cannot be converted is a warning."""

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest.importorskip("sphinx", reason="Sphinx is not installed")

EXTENSIONS = Path(__file__).parents[1] / "docs" / "_extensions"


@pytest.fixture
def mathml(monkeypatch):
    monkeypatch.syspath_prepend(str(EXTENSIONS))
    import mathml

    yield mathml
    sys.modules.pop("mathml")


def words(found):
    return "".join(ElementTree.fromstring(found).itertext()).split()


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (r"L/\sigma", "L / σ"),
        (r"\frac12 x", "1 2 x"),
        (r"\tfrac{1}{2}", "1 2"),
        (r"\Big|x\Big|^2", "| x | 2"),
        (r"x_1, \dots, x_n", "x 1 , … , x n"),
        (r"^{-1/2}", "− 1 / 2"),
    ],
)
def test_formulas_of_the_pages(mathml, formula, expected):
    from docutils import nodes

    found = mathml.mathml(nodes.math("", formula))
    assert found.startswith("<math")
    assert words(found) == expected.split()


def test_a_block_of_several_lines_is_aligned(mathml):
    from docutils import nodes

    found = mathml.mathml(nodes.math_block("", r"a &= b \\ c &= d"))
    assert 'display="block"' in found
    assert found.count("<mtr") == 2


def test_an_unknown_command_is_a_warning_and_shown_as_written(mathml, monkeypatch):
    from docutils import nodes

    warnings = []
    monkeypatch.setattr(mathml.logger, "warning", lambda text, *values, **_: warnings.append(text % values))
    assert mathml.mathml(nodes.math("", r"\wrong < x")) == r"<code>\wrong &lt; x</code>"
    assert len(warnings) == 1
    assert "wrong" in warnings[0]
