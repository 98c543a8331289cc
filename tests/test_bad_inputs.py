"""A minute of bad inputs; ``python tests/bad_inputs.py --seconds 3600 --seed 1`` runs an hour of others."""

import sys

import bad_inputs
import numpy as np
import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="counts memory and limits it as Linux does")
def test_every_bad_input_is_refused_clearly_or_accepted():
    pytest.importorskip("torch")
    faults, count = [], 0
    for number, bad, result in bad_inputs.attack(seed=0, numbers=range(400), seconds=60):
        count += 1
        if result.kind in bad_inputs.FAULTS:
            faults.append(f"{number} {result.kind}: {' '.join(bad.arguments)} [{bad.change}]\n{result.told[-1000:]}")
    assert count >= 20
    assert not faults, "\n\n".join(faults)


def test_inputs_of_a_number_are_always_the_same(tmp_path):
    text = "3\nLattice 4.0 4.0\nSi 0.0 0.0 1.5\n"
    damaged = {bad_inputs.damage_text(text, np.random.default_rng([1, 2])) for _ in range(3)}
    assert len(damaged) == 1
    assert damaged.pop()[0] != text
