"""Formulas as MathML, which browsers draw themselves: pages need neither MathJax nor a network.

docutils converts LaTeX. What it does not know is a warning, so a build with ``-W`` stops at a wrong formula.
"""

from __future__ import annotations

import re
from html import escape
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

# What authors of formulas use and docutils lacks: \dots, sizes of delimiters, \frac12, an exponent of nothing.
REPLACED = {
    r"\\dots(?![a-z])": r"\\ldots",
    r"\\[bB]igg?[lrm]?(?![a-zA-Z])": "",
    r"(\\[dt]?frac)\s*(\w)\s*(\w)": r"\1{\2}{\3}",
    r"^\s*\^": r"{}^",
}

logger = logging.getLogger(__name__)


def mathml(node: nodes.math | nodes.math_block) -> str:
    """MathML of the LaTeX in a node; the LaTeX itself, with a warning, where it cannot be converted."""
    text = node.astext()
    for command, by in REPLACED.items():
        text = re.sub(command, by, text)
    block = isinstance(node, nodes.math_block)
    several = block and (r"\\" in text or "&" in text) and r"\begin{" not in text
    try:
        return tex2mathml(rf"\begin{{aligned}}{text}\end{{aligned}}" if several else text, as_block=block)
    except (MathError, IndexError) as error:
        logger.warning("formula %r: %s", text, error, location=node)
        return f"<code>{escape(text)}</code>"


def visit_math(translator: Any, node: nodes.math) -> None:
    """Write a formula in a line."""
    translator.body.append(translator.starttag(node, "span", "", CLASS="math") + mathml(node) + "</span>")
    raise nodes.SkipNode


def visit_displaymath(translator: Any, node: nodes.math_block) -> None:
    """Write a formula on lines of its own, with its number if it has a label."""
    translator.body.append(translator.starttag(node, "div", CLASS="math"))
    if node["number"]:
        number = get_node_equation_number(translator, node)
        translator.body.append(f'<span class="eqno">({number})')
        translator.add_permalink_ref(node, "Link to this equation")
        translator.body.append("</span>")
    translator.body.append(mathml(node) + "</div>\n")
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, bool]:
    """Register the renderer: ``html_math_renderer = "mathml"``."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_displaymath, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
