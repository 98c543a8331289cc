"""Features of pretrained networks: the descriptor with an invented network, and both networks where they are there."""

import json
import pickle
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.neighborlist import neighbor_list
from sklearn.base import clone

from ldosml import (
    LDOS,
    SOAP,
    DOSModel,
    EnergyGrid,
    Joined,
    LDOSKernelRidge,
    PretrainedFeatures,
    Whitened,
    cut_fragments,
    persistence,
    predict_to,
)
from ldosml.descriptors import pretrained_networks
from ldosml.descriptors.pretrained_networks import NETWORKS, TRAINED_ON, PretrainedNetwork, in_box
from ldosml.regions import Region, cut_regions

GRID = EnergyGrid.from_range(-2, 2, 0.25, zero="fermi")
CUTOFF = 2.4


def carbide(seed, repeat=(2, 1, 1)):
    atoms = bulk("SiC", "zincblende", a=4.36) * repeat
    atoms.rattle(0.1, seed=seed)
    return atoms


def slab():
    atoms = fcc111("Cu", (1, 1, 3))
    atoms.pbc = (True, True, False)
    return atoms


def wire():
    positions = [[0.1 * (i % 2), 0.0, 1.3 * i] for i in range(4)]
    return Atoms("C4", positions, cell=[0.0, 0.0, 5.2], pbc=(False, False, True))


def chain(n_atoms=60):
    """Atoms in a winding line: few within any distance, many beyond it."""
    return Atoms(f"C{n_atoms}", [[0.3 * (i % 3), 0.2 * (i % 2), 1.5 * i] for i in range(n_atoms)])


KINDS = {
    "crystal": carbide(1),
    "one atom in its cell": bulk("Cu"),
    "molecule": molecule("H2O"),
    "slab": slab(),
    "wire": wire(),
    "atom alone": Atoms("Si"),
}


def messages(structures):
    """A network of two convolutions in closed form: numbers, and twice the smooth sum over the neighbours."""
    blocks = []
    for atoms in structures:
        i, j, d = neighbor_list("ijd", in_box(atoms, CUTOFF), CUTOFF)
        layer, layers = atoms.numbers[:, None] * [1.0, 0.1], []
        for _ in range(2):
            new = layer.copy()
            np.add.at(new, i, 0.2 * ((1 - d / CUTOFF) ** 2)[:, None] * layer[j])
            layer = new
            layers.append(layer)
        blocks.append(np.concatenate(layers, axis=1))
    return np.concatenate(blocks).astype(np.float32)


class Invented:
    """What stands in for CHGNet and its package: its version, how often it was loaded, what it was asked."""

    PackageNotFoundError = PackageNotFoundError

    def __init__(self):
        self.versions, self.n_loads, self.asked = {"chgnet": "0.4.2"}, 0, []

    def version(self, package):
        if package not in self.versions:
            raise PackageNotFoundError(package)
        return self.versions[package]

    def load(self, device):
        self.n_loads += 1

        def features(structures):
            self.asked.append([len(atoms) for atoms in structures])
            return messages(structures)

        return features


@pytest.fixture
def invented(monkeypatch):
    network = Invented()
    pretrained_networks._loaded.cache_clear()
    monkeypatch.setitem(NETWORKS, "chgnet", PretrainedNetwork("chgnet", 2, 2, CUTOFF, 2, network.load))
    monkeypatch.setattr(pretrained_networks, "metadata", network)
    yield network
    pretrained_networks._loaded.cache_clear()


def invented_ldos(structures):
    counts = [len(atoms) for atoms in structures]
    values = np.random.default_rng(0).uniform(0, 1, (sum(counts), GRID.size))
    return LDOS(GRID, values, 0.3, structure_index=np.repeat(np.arange(len(counts)), counts))


class TestContract:
    def test_rows_follow_the_structures(self, invented):
        structures = list(KINDS.values())
        transformer = PretrainedFeatures()
        X = transformer.fit_transform(structures)
        assert X.dtype == np.float64
        np.testing.assert_array_equal(X, messages(structures))
        assert transformer.n_features_out_ == X.shape[1] == 4
        assert transformer.get_feature_names_out().tolist() == ["chgnet-0-0", "chgnet-0-1", "chgnet-1-0", "chgnet-1-1"]
        np.testing.assert_array_equal(transformer.transform(iter(structures)), X)
        np.testing.assert_array_equal(transformer.transform(structures[0]), X[:4])
        assert transformer.package_ == "chgnet 0.4.2"
        assert invented.n_loads == 1

    def test_batches_are_bounded_and_change_nothing(self, invented):
        structures = list(KINDS.values())
        X = PretrainedFeatures().fit_transform(structures)
        assert invented.asked == [[4, 1, 3, 3, 4, 1]]
        invented.asked.clear()
        np.testing.assert_array_equal(PretrainedFeatures(batch_size=4).fit_transform(structures), X)
        assert invented.asked == [[4], [1, 3], [3], [4], [1]]
        invented.asked.clear()
        PretrainedFeatures(batch_size=2).fit_transform(structures)  # a larger structure is a batch of its own
        assert invented.asked == [[4], [1], [3], [3], [4], [1]]

    def test_clone_parameters_and_pickles(self, invented):
        parameters = {"network": "sevenn", "device": "cpu", "n_jobs": 2, "batch_size": 7}
        assert clone(PretrainedFeatures(**parameters)).get_params() == parameters
        assert repr(PretrainedFeatures("sevenn")) == "PretrainedFeatures(network='sevenn')"
        fitted = PretrainedFeatures().fit(carbide(1))
        again = pickle.loads(pickle.dumps(fitted))
        np.testing.assert_array_equal(again.transform(carbide(2)), fitted.transform(carbide(2)))

    def test_structures_are_left_as_they_were(self, invented):
        for atoms in KINDS.values():
            before = atoms.copy()
            PretrainedFeatures().fit_transform(atoms)
            assert atoms == before
            assert list(atoms.arrays) == list(before.arrays)


class TestPartsOfAStructure:
    def test_the_centres_of_regions_have_the_rows_of_the_whole(self, invented):
        line = chain()
        transformer = PretrainedFeatures().fit(line)
        assert transformer.reach == 2 * CUTOFF
        X, there = transformer.transform(line), np.full((60, 4), np.nan)
        for regions in (list(cut_regions(line, transformer.reach, 10)), [Region(line, np.arange(60), np.inf)]):
            there[np.concatenate([region.rows for region in regions])] = transformer.transform(regions)
            np.testing.assert_allclose(there, X, rtol=1e-6)

    def test_so_has_the_centre_of_a_fragment(self, invented):
        structures = [chain(), carbide(3)]
        transformer = PretrainedFeatures().fit(structures)
        fragments = cut_fragments(structures, transformer.reach)
        np.testing.assert_allclose(transformer.transform(fragments), transformer.transform(structures), rtol=1e-6)

    def test_too_small_ones_are_refused(self, invented):
        line = chain()
        transformer = PretrainedFeatures().fit(line)
        with pytest.raises(ValueError, match=r'PretrainedFeatures\("chgnet"\) asks for 4.8 angstrom, .* cut at 4.7'):
            transformer.transform(cut_fragments(line, 4.7))
        with pytest.raises(ValueError, match=r"reaches 4.8 angstrom; the region was cut at 4.7. Cut it again with"):
            transformer.transform(list(cut_regions(line, 4.7, 10)))

    def test_a_smaller_reach_would_be_too_small(self, invented):
        line = chain()
        (fragment,) = cut_fragments(line, CUTOFF, centers=[30])
        assert np.abs(messages([fragment.atoms])[0] - messages([line])[30]).max() > 1e-3

    def test_large_structures_are_predicted_in_regions(self, invented, tmp_path):
        structures = [carbide(seed) for seed in range(6)]
        model = DOSModel(PretrainedFeatures(), LDOSKernelRidge(1e-3, kernel="polynomial", gamma=0.01)).fit(
            structures, invented_ldos(structures)
        )
        large = carbide(9, (5, 5, 5))
        streamed = predict_to(model, large, tmp_path / "p.h5", batch_size=50)
        np.testing.assert_allclose(streamed.data.ldos.values, model.predict(large).values, atol=1e-5)
        assert max(len(batch) for batch in invented.asked[-2:]) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_box_adds_no_neighbours(kind):
    atoms, cutoff = KINDS[kind], 5.0
    boxed = in_box(atoms, cutoff)
    assert boxed.pbc.all()
    assert boxed.cell.volume > 0
    for before, after in zip(
        sorted_pairs(atoms, cutoff), sorted_pairs(boxed, cutoff), strict=True
    ):  # i, j and distance of each pair
        np.testing.assert_allclose(after, before, atol=1e-9)


def sorted_pairs(atoms, cutoff):
    i, j, d = neighbor_list("ijd", atoms, cutoff)
    order = np.lexsort((np.round(d, 6), j, i))
    return i[order], j[order], d[order]


@pytest.mark.parametrize(
    ("parameters", "structures", "error", "message"),
    [
        ({"network": "mace"}, [carbide(1)], ValueError, "network of .* must be one of 'chgnet', 'sevenn'; got 'mace'"),
        ({"device": "tpu"}, [carbide(1)], ValueError, "device of PretrainedFeatures must be one of 'cpu', 'cuda'"),
        ({"batch_size": 0}, [carbide(1)], ValueError, "batch_size of PretrainedFeatures must be a positive"),
        ({}, [carbide(1), Atoms("PoCm", [[0, 0, 0], [0, 0, 3]])], ValueError, "item 1 contains Po, Cm. Use SOAP"),
        ({}, cut_fragments(Atoms("At"), 9.0), ValueError, "item 0 contains At"),
        ({}, [], ValueError, "at least one structure"),
        ({}, ["Si"], TypeError, "must be ase.Atoms"),
    ],
)
def test_impossible_input_is_refused(invented, parameters, structures, error, message):
    with pytest.raises(error, match=message):
        PretrainedFeatures(**parameters).fit(structures)
    with pytest.raises(error, match=message):
        PretrainedFeatures().fit(carbide(1)).set_params(**parameters).transform(structures)


def test_features_that_are_no_numbers_are_refused(invented, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "messages", lambda structures: np.full((4, 4), np.nan, np.float32))
    with pytest.raises(ValueError, match=r"features of chgnet must be finite.*Two atoms may be in one place"):
        PretrainedFeatures().fit_transform(carbide(1))


class TestMissing:
    def test_a_missing_package_names_the_extra(self, invented):
        fitted = PretrainedFeatures().fit(carbide(1))
        invented.versions.clear()
        for call in (PretrainedFeatures().fit, fitted.transform):
            with pytest.raises(
                ImportError, match=r"chgnet is missing.*\n    pip install 'ldosml\[pretrained\]'"
            ) as caught:
                call(carbide(1))
            assert caught.value.name == "chgnet"

    def test_so_does_what_the_package_needs(self, invented, monkeypatch):
        def load(device):
            raise ModuleNotFoundError("No module named 'torch'", name="torch")

        monkeypatch.setattr(invented, "load", load)
        monkeypatch.setitem(NETWORKS, "chgnet", PretrainedNetwork("chgnet", 2, 2, CUTOFF, 2, load))
        with pytest.raises(ImportError, match=r"No module named 'torch'.*\n    pip install 'ldosml\[pretrained\]'"):
            PretrainedFeatures().fit_transform(carbide(1))

    def test_cuda(self, invented, monkeypatch):
        fitted = PretrainedFeatures(device="cuda").fit(carbide(1))
        monkeypatch.setitem(sys.modules, "torch", None)
        with pytest.raises(ImportError, match=r"needs PyTorch.*\n    pip install 'ldosml\[pretrained\]'"):
            fitted.transform(carbide(1))
        without_gpu = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: False))
        monkeypatch.setitem(sys.modules, "torch", without_gpu)
        with pytest.raises(RuntimeError, match=r'found no usable NVIDIA GPU.*set device="cpu"'):
            fitted.transform(carbide(1))

    def test_nothing_is_imported_before_a_network_is_used(self):
        code = (
            "import sys, ldosml; ldosml.PretrainedFeatures(); "
            "print([name for name in ('torch', 'chgnet', 'sevenn') if name in sys.modules])"
        )
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert run.stdout.strip() == "[]"


class TestSaved:
    @pytest.fixture(params=[lambda inner: inner, Whitened], ids=["plain", "whitened"])
    def model(self, request, invented):
        structures = [carbide(seed) for seed in range(6)]
        descriptor = request.param(PretrainedFeatures(batch_size=20))
        return DOSModel(descriptor, LDOSKernelRidge(1e-3, gamma=0.1)).fit(structures, invented_ldos(structures))

    def test_a_model_says_by_which_package_it_was_made(self, model, tmp_path):
        path = model.save(tmp_path / "m.ldosml")
        loaded = DOSModel.load(path)
        np.testing.assert_array_equal(loaded.predict(carbide(9)).values, model.predict(carbide(9)).values)
        assert repr(loaded.descriptor_) == repr(model.descriptor_)
        said = persistence.describe(path)["descriptor"]
        said = said["parts"]["descriptor_"] if "parts" in said else said
        assert said["learnt"] == {"n_features_out_": 4, "package_": "chgnet 0.4.2"}
        assert said["parameters"]["network"] == "chgnet"

    def test_beside_soap(self, invented, tmp_path):
        structures = [carbide(seed) for seed in range(6)]
        soap = SOAP(r_cut=3.0, n_max=2, l_max=1)
        both = Joined([Whitened(soap), Whitened(PretrainedFeatures(), power=0.0)])
        model = DOSModel(both, LDOSKernelRidge(1e-3)).fit(structures, invented_ldos(structures))
        assert model.descriptor_.reach == max(2 * CUTOFF, soap.reach)
        loaded = DOSModel.load(model.save(tmp_path / "m.ldosml"))
        np.testing.assert_array_equal(loaded.predict(carbide(9)).values, model.predict(carbide(9)).values)

    def test_another_version_is_refused(self, model, invented, tmp_path):
        path = model.save(tmp_path / "m.ldosml")
        invented.versions["chgnet"] = "0.5.0"
        message = r"fitted with chgnet 0\.4\.2; here is chgnet 0\.5\.0.*pip install chgnet==0\.4\.2"
        for each in (model, DOSModel.load(path)):
            with pytest.raises(ValueError, match=message):
                each.predict(carbide(9))

    def test_another_network_is_refused(self, invented):
        invented.versions["sevenn"] = "0.13.0"
        fitted = PretrainedFeatures().fit(carbide(1)).set_params(network="sevenn")
        with pytest.raises(ValueError, match=r"fitted with chgnet 0\.4\.2; here is sevenn 0\.13\.0"):
            fitted.transform(carbide(1))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda part: part["learnt"].pop("package_"), "'package_' is missing"),
            (lambda part: part["learnt"].update(n_features_out_=3), "must have shape .* n_features|features"),
        ],
    )
    def test_damaged_files_are_refused(self, model, tmp_path, change, message):
        path = model.save(tmp_path / "m.ldosml")
        with zipfile.ZipFile(path) as archive:
            content = {name: archive.read(name) for name in archive.namelist()}
        spec = json.loads(content["spec.json"])
        change(spec["descriptor"]["parts"]["descriptor_"] if "parts" in spec["descriptor"] else spec["descriptor"])
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in (content | {"spec.json": json.dumps(spec)}).items():
                archive.writestr(name, data)
        with pytest.raises(ValueError, match=message):
            DOSModel.load(path)


def near(X, Y):
    """Whether rows agree to what single precision gives: its rounding, through all layers."""
    np.testing.assert_allclose(X, Y, rtol=0, atol=1e-5 * np.abs(Y).max())


@pytest.fixture(params=["chgnet", "sevenn"])
def network(request):
    if find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    return request.param


# PyTorch says that TorchScript is deprecated, which e3nn uses.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
class TestNetworks:
    def test_invariances(self, network):
        atoms = carbide(1)
        fitted = PretrainedFeatures(network).fit(atoms)
        X = fitted.transform(atoms)
        assert X.shape == (4, fitted.n_features_out_) == (4, len(fitted.get_feature_names_out()))
        assert np.ptp(X[:2], axis=0).max() > 0.1  # the two Si differ
        turned, moved = atoms.copy(), atoms.copy()
        turned.rotate(37.0, (1, 2, 3), rotate_cell=True)
        moved.positions += [3.3, 100.0, -7.0]
        near(fitted.transform(turned), X)
        near(fitted.transform(moved), X)
        near(fitted.transform(atoms[[2, 0, 3, 1]]), X[[2, 0, 3, 1]])
        near(fitted.transform(atoms * (1, 2, 1)), np.tile(X, (2, 1)))

    def test_alone_and_in_a_batch(self, network):
        structures = list(KINDS.values())
        fitted = PretrainedFeatures(network).fit(structures)
        together = fitted.transform(structures)
        near(np.concatenate([fitted.transform(atoms) for atoms in structures]), together)
        near(fitted.set_params(batch_size=5).transform(structures), together)
        assert np.isfinite(together).all()

    @pytest.mark.parametrize(("kind", "open_axes"), [("molecule", [0, 1, 2]), ("slab", [2]), ("wire", [0, 1])])
    def test_a_wider_box_changes_nothing(self, network, kind, open_axes):
        atoms = KINDS[kind]
        wide = atoms.copy()
        cell = wide.cell.complete().array
        for axis in open_axes:
            cell[axis] *= 30.0 / np.linalg.norm(cell[axis])
        wide.set_cell(cell)
        wide.pbc = True
        fitted = PretrainedFeatures(network).fit(atoms)
        near(fitted.transform(wide), fitted.transform(atoms))

    def test_parts_of_a_structure(self, network):
        line = chain()
        fitted = PretrainedFeatures(network).fit(line)
        X, there = fitted.transform(line), np.full((60, fitted.n_features_out_), np.nan)
        regions = list(cut_regions(line, fitted.reach, 20))
        assert max(len(region.atoms) for region in regions) < 60
        there[np.concatenate([region.rows for region in regions])] = fitted.transform(regions)
        near(there, X)
        near(fitted.transform(cut_fragments(line, fitted.reach, centers=[5, 30])), X[[5, 30]])
        too_small = [fragment.atoms for fragment in cut_fragments(line, 6.0, centers=[30])]
        assert np.abs(fitted.transform(too_small)[0] - X[30]).max() > 1e-3 * np.abs(X).max()

    def test_a_model_with_it(self, network, tmp_path):
        structures = [carbide(seed) for seed in range(6)]
        model = DOSModel(Whitened(PretrainedFeatures(network)), LDOSKernelRidge(1e-3)).fit(
            structures, invented_ldos(structures)
        )
        loaded = DOSModel.load(model.save(tmp_path / "m.ldosml"))
        np.testing.assert_allclose(loaded.predict(carbide(9)).values, model.predict(carbide(9)).values, atol=1e-4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
class TestCHGNet:
    @pytest.fixture
    def loaded(self, monkeypatch, capsys):
        """The network that the descriptor uses, and nothing on standard output."""
        model = pytest.importorskip("chgnet.model.model")
        networks, load = [], model.CHGNet.load
        monkeypatch.setattr(model.CHGNet, "load", lambda **options: networks.append(load(**options)) or networks[-1])
        pretrained_networks._loaded.cache_clear()
        PretrainedFeatures("chgnet").fit_transform(carbide(1))
        assert capsys.readouterr().out == ""
        yield networks[0]
        pretrained_networks._loaded.cache_clear()

    def test_nothing_stays_in_the_network(self, loaded):
        assert not loaded.training
        assert all(not module._forward_hooks for module in loaded.modules())
        assert all(parameter.grad is None for parameter in loaded.parameters())

    def test_not_even_after_an_error(self, loaded, monkeypatch):
        monkeypatch.setattr(loaded.mlp, "forward", lambda features: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            PretrainedFeatures("chgnet").fit_transform(carbide(1))
        assert all(not module._forward_hooks for module in loaded.modules())

    def test_the_facts_are_the_networks_own(self, loaded):
        facts = NETWORKS["chgnet"]
        assert facts.cutoff == loaded.graph_converter.atom_graph_cutoff
        assert facts.n_convolutions == loaded.n_conv == facts.n_layers - 1
        assert facts.n_channels == loaded.atom_fea_dim
        # Adam leaves alone what never had a gradient: the embeddings have the length that they were drawn with, about
        # sqrt(64). The others were trained to be more than twice as long.
        lengths = loaded.atom_embedding.embedding.weight.detach().norm(dim=1).numpy()
        assert set(np.flatnonzero(lengths > 11) + 1) == TRAINED_ON

    @pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")  # the package's own call warns
    def test_features_are_those_that_the_package_gives_itself(self, loaded):
        from pymatgen.io.ase import AseAtomsAdaptor

        atoms = carbide(4)
        # The package gives one layer only, the last but one.
        given = loaded.predict_structure(AseAtomsAdaptor.get_structure(atoms), task="e", return_atom_feas=True)
        near(PretrainedFeatures("chgnet").fit_transform(atoms)[:, 3 * 64 : 4 * 64], given["atom_fea"])

    def test_processes_of_their_own_give_the_same(self, loaded):
        structures = [carbide(1), carbide(2)]
        one = PretrainedFeatures("chgnet", batch_size=4).fit(structures)
        near(clone(one).set_params(n_jobs=2).fit(structures).transform(structures), one.transform(structures))

    def test_mirror_images_have_the_same_rows(self, loaded):
        atoms = carbide(1)
        mirrored = Atoms(atoms.numbers, atoms.positions * [-1, 1, 1], cell=atoms.cell.array * [-1, 1, 1], pbc=True)
        near(*(PretrainedFeatures("chgnet").fit_transform(each) for each in (mirrored, atoms)))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:No tensor product accelerator")
class TestSevenNet:
    @pytest.fixture
    def calculator(self):
        pytest.importorskip("sevenn")
        from sevenn.calculator import SevenNetCalculator

        return SevenNetCalculator("7net-0", device="cpu")

    def test_the_facts_are_the_networks_own(self, calculator):
        facts = NETWORKS["sevenn"]
        gates = [module for name, module in calculator.model.named_children() if name.endswith("_equivariant_gate")]
        assert facts.cutoff == calculator.cutoff
        assert facts.n_convolutions == facts.n_layers == len(gates)
        assert {gate.gate.irreps_out.count("0e") for gate in gates} == {facts.n_channels}
        assert set(calculator.type_map) == TRAINED_ON

    def test_the_last_layer_gives_the_energies_of_the_atoms(self, calculator):
        import torch

        atoms = carbide(4)
        rows = PretrainedFeatures("sevenn").fit_transform(atoms)[:, -128:]
        types = torch.tensor([calculator.type_map[number] for number in atoms.numbers.tolist()])
        data = {"x": torch.tensor(rows, dtype=torch.float32), "atom_type": types}
        for name in ("reduce_input_to_hidden", "reduce_hidden_to_energy", "rescale_atomic_energy"):
            data = getattr(calculator.model, name)(data)
        atoms.calc = calculator
        energies = data["atomic_energy"].detach().numpy().ravel()
        np.testing.assert_allclose(energies, atoms.get_potential_energies(), atol=1e-4)
