"""Draw the layers of the package from the import contract in setup.cfg: ``python docs/layers.py`` writes layers.svg."""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path

import matplotlib.pyplot as plt

HERE = Path(__file__).resolve().parent
CONTRACT = "importlinter:contract:layers"
HEIGHT = 0.34  # inches for a line of modules
WIDTH = 96  # characters in a line


def layers() -> list[list[str]]:
    """Modules of each layer, the topmost first."""
    parser = ConfigParser()
    parser.read(HERE.parent / "setup.cfg")
    lines = parser[CONTRACT]["layers"].split("\n")
    return [re.findall(r"\w+", line) for line in lines if line.strip()]


def wrapped(names: list[str]) -> str:
    """Names in lines of at most ``WIDTH`` characters."""
    lines = [""]
    for name in names:
        if lines[-1] and len(lines[-1]) + len(name) > WIDTH:
            lines.append("")
        lines[-1] += ("   " if lines[-1] else "") + name
    return "\n".join(lines)


def draw() -> plt.Figure:
    """A box a layer; what is in it may use what is below."""
    texts = [wrapped(names) for names in layers()]
    heights = [1 + text.count("\n") for text in texts]
    figure, ax = plt.subplots(figsize=(8.5, HEIGHT * (sum(heights) + 0.5 * len(heights))))
    top = 0.0
    for number, (text, height) in enumerate(zip(texts, heights, strict=True)):
        shade = 0.97 - 0.12 * number / len(texts)
        box = plt.Rectangle(
            (0, -top - height - 0.3),
            1,
            height + 0.3,
            facecolor=(shade, shade, 1.0),
            edgecolor="0.5",
        )
        ax.add_patch(box)
        ax.text(
            0.5,
            -top - (height + 0.3) / 2,
            text,
            ha="center",
            va="center",
            family="monospace",
            fontsize=8.5,
        )
        top += height + 0.45
    ax.set(xlim=(-0.01, 1.01), ylim=(-top, 0.05))
    ax.axis("off")
    return figure


if __name__ == "__main__":
    plt.rcParams["svg.hashsalt"] = "ldosml"
    draw().savefig(HERE / "layers.svg", bbox_inches="tight", metadata={"Date": None})
