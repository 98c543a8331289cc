"""Weights whose description asks for a large network, and structures and meshes that are too large, are refused."""

import json

import pytest
from ase import Atoms
from ase.build import bulk
from neural_cases import torch  # noqa: F401  skips where torch is missing

from ldosml._shipped import shipped_file
from ldosml.neural import load_crystal_model, plan_bands, plan_unfolding


def changed(tmp_path, name, keep=None, **changes):
    """Shipped weights, all or some of them, with another description."""
    from safetensors import safe_open
    from safetensors.torch import save

    with safe_open(shipped_file(name, ".safetensors", "model of crystals"), framework="pt") as file:
        metadata = file.metadata()
        tensors = {key: file.get_tensor(key) for key in list(file.keys())[:keep]}
    spec = json.loads(metadata["spec"])
    config = spec["config"] if name == "crystals" else spec["parameters"]["config"]
    for key, value in changes.items():
        if key == "n_networks":
            spec["parameters"][key] = value
        else:
            config[key] = value
        if key == "n_bins":
            spec["grid"]["size"] = value
    path = tmp_path / f"{name}.safetensors"
    metadata.pop("sha256", None)  # so that it is the description that is refused
    path.write_bytes(save(tensors, {**metadata, "spec": json.dumps(spec)}))
    return path


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("crystals", "d", 1 << 20),
        ("crystals", "n_layers", 10**8),
        ("crystals", "n_blocks", 10**8),
        ("crystals", "n_radial", 10**8),
        ("crystals", "n_bloch", 10**8),
        ("crystals", "multiplier", 10**6),
        ("crystals", "n_bins", 8 * 10**6),
        ("tight-binding", "d", 1 << 20),
        ("tight-binding", "n_layers", 10**8),
        ("tight-binding", "n_networks", 10**8),
    ],
)
@pytest.mark.parametrize("keep", [None, 3])
def test_large_networks(tmp_path, name, key, value, keep):
    path = changed(tmp_path, name, keep, **{key: value})
    with pytest.raises(ValueError, match=r"is damaged: .* must be torch.float32|should have \d+ tensors"):
        load_crystal_model(str(path))


def test_the_shipped_weights_are_unchanged(tmp_path):
    for name in ("crystals", "tight-binding"):
        load_crystal_model(str(changed(tmp_path, name)))


def test_other_errors_of_descriptions_tell_the_file(tmp_path):
    path = changed(tmp_path, "crystals", d=0)
    with pytest.raises(ValueError, match=r"crystals.safetensors is a damaged .* d of a network must be a whole number"):
        load_crystal_model(str(path))


def test_k_points_are_planned():
    model = load_crystal_model("tight-binding")
    silicon = bulk("Si")
    assert plan_bands(model, silicon, mesh=12).bytes > plan_bands(model, silicon, mesh=8).bytes
    for plan in (lambda: plan_bands(model, silicon, n_path=10**8), lambda: plan_unfolding(silicon, 10**8)):
        with pytest.raises(ValueError, match="n_kpoints must be at most 100,000"):
            plan()
    with pytest.raises(ValueError, match="at most 10,000,000 k-points"):
        plan_bands(model, silicon, mesh=3000)


def test_cells_of_another_unit():
    model = load_crystal_model("tight-binding")
    with pytest.raises(ValueError, match=r"0.05 angstrom"):
        model.predict([Atoms("Si", cell=[0.05] * 3, pbc=True)], [[0, 0, 0]])
