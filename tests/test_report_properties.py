"""The sections about properties, and the whole page in a browser."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html import unescape

import numpy as np
import pytest

from ldosml import LDOS, EnergyGrid, plotting
from ldosml.datasets.noise import property_noise_at
from ldosml.evaluation import Evaluation
from ldosml.plotting import files
from ldosml.properties.table import PropertyTable
from ldosml.report import DerivedProperties, save_report
from ldosml.report.properties import by_structure_section, note_of, number_or_none, properties_section

N_ATOMS = np.array([2, 3, 1, 4, 2, 1, 2])
NAMES = ["diamond-8", "<i>liquid</i>", "liquid", "longer-than-a-phone-is-wide-" * 4, "diamond-16", "d", "e"]
LOSSES = [0.02, 0.05, 0.01, 0.03, 0.30, 0.04, 0.001]  # of the DOS per atom
RANKED = [4, 1, 5, 3, 0]
TEMPERATURES = np.array([300.0, 1000.0])


@pytest.fixture(scope="module")
def evaluation():
    grid = EnergyGrid.from_range(-6.0, 4.0, 0.1, zero="fermi")
    index = np.repeat(np.arange(7), N_ATOMS)
    values = np.exp(-(((grid.energies + 2 + 0.1 * np.arange(15)[:, None]) / 1.5) ** 2))
    waves = np.array(LOSSES)[index, None] * np.sin(grid.energies)
    true, predicted = (LDOS(grid, v, 0.3, structure_index=index) for v in (values, values + waves))
    return Evaluation(true, predicted, NAMES, ["kind"] * 7)


def table(shift=0.0, names=NAMES):
    """Properties of a unit cell that grow by structure and temperature; metals, but for the first three."""
    rows = np.arange(7.0)
    thermal = rows[:, None] + TEMPERATURES / 1000 + shift
    columns = {
        "n_electrons": 4.0 * N_ATOMS,
        "negative_weight": N_ATOMS * np.array([0.0, 0.0, 0.02, 0.01, 0.5, 0.03, 0.0]),
        "band_gap": np.where(rows < 3, 0.5 + 0.1 * rows + shift, np.nan),
        "conduction_edge": np.full(7, np.nan),
        "fermi_level": 0.01 * rows + shift,
        "chemical_potential": 0.1 * thermal,
        "band_energy": -thermal * N_ATOMS[:, None],
        "heat_capacity": 1e-6 * thermal * N_ATOMS[:, None],
        "dos_at_fermi_level": (0.2 + 0.01 * rows + shift) * N_ATOMS,
        "pauli_susceptibility": 1e-9 * thermal * N_ATOMS[:, None],
    }
    photons = np.linspace(0, 5, 11)
    spectra = {"absorption_spectrum": thermal[:, :, None] * photons * N_ATOMS[:, None, None] ** 2}
    return PropertyTable(TEMPERATURES, columns, list(names), N_ATOMS, photon_energies=photons, spectra=spectra)


@pytest.fixture(scope="module")
def properties():
    return DerivedProperties(table().per_atom(), table(0.05).per_atom(), 1000.0)


def report(path, evaluation, properties):
    options = {"training": {}, "provenance": {}, "label_noise": None, "timings": {"fit": 1.0}}
    return save_report(path, evaluation, properties=properties, **options).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def text(evaluation, properties, tmp_path_factory):
    small = files.png
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "png", lambda figure: small(figure, dpi=30))
        return report(tmp_path_factory.mktemp("report") / "report.html", evaluation, properties)


def part(text, title):
    """The section under a heading."""
    return re.search(rf"<h2>{re.escape(title)}</h2>.*?</section>", text, re.DOTALL)[0]


def rows(html):
    """Cells of every row of every table, as texts."""
    found = re.findall(r"<tr.*?</tr>", html, re.DOTALL)
    cells = (re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in found)
    return [[unescape(re.sub(r"<[^>]*>", "", cell)) for cell in row] for row in cells]


def test_comparisons_are_per_atom_at_the_temperature(properties):
    compared = {c.name: c for c in properties.comparisons()}
    assert list(compared) == [
        "band_energy",
        "heat_capacity",
        "dos_at_fermi_level",
        "pauli_susceptibility",
        "fermi_level",
        "absorption_spectrum",
    ]
    units = ["eV/atom", "eV/K/atom", "states/eV/atom", "eV/T^2/atom", "eV", "states^2/eV/atom^2"]
    assert [c.unit for c in compared.values()] == units
    assert compared["band_energy"].temperature == 1000
    np.testing.assert_allclose(compared["band_energy"].true, -np.arange(7) - 1)
    assert compared["absorption_spectrum"].true.shape == (7, 11)
    assert [c.name for c in properties.comparisons(["band_gap", "conduction_edge", "entropy"])] == ["band_gap"]


def test_losses_are_tabled_with_units_and_counts(text, properties):
    header, *body = rows(part(text, "Properties derived from the DOS"))
    assert header == [
        "property",
        "unit",
        "L/σ",
        "RMSE",
        "label noise",
        "bias",
        "σ of DFT",
        "structures",
        "note",
    ]
    listed = {row[0]: row[1:] for row in body}
    assert listed["heat capacity at 1000 K"] == [
        "10⁻⁶ eV/K/atom",
        "0.025",
        "0.050",
        "not known",
        "0.050",
        "2.000",
        "7",
        "",
    ]
    assert listed["Fermi level"][0] == "eV"
    assert listed["band gap"][-2:] == ["3", "4 structures without it"]
    assert "conduction band edge" not in listed
    assert not {"negative weight", "valence electrons"} & set(listed)


def test_words_say_what_was_compared_and_how_much_was_negative(text):
    words = part(text, "Properties derived from the DOS")
    assert "at 1000 K where they depend on temperature" in words
    assert "0.010 states per atom in the median, and at most 0.500, in diamond-16." in words


def test_structures_have_both_values_side_by_side(text, evaluation):
    groups, header, *body = rows(part(text, "Properties by structure"))
    assert groups == [
        "",
        "",
        "Fermi level (eV)",
        "band energy at 1000 K (eV/atom)",
        "heat capacity at 1000 K (10⁻⁶ eV/K/atom)",
        "DOS at Fermi level (states/eV/atom)",
        "Pauli susceptibility at 1000 K (10⁻⁹ eV/T²/atom)",
        "band gap (eV)",
    ]
    assert header == ["structure", "DOS, L/σ", *["DFT", "predicted"] * 6]
    assert [row[0] for row in body[:5]] == [NAMES[s] for s in RANKED]
    fourth = next(row for row in body if row[0] == NAMES[3])
    assert fourth[4:8] == ["-4.000", "-4.050", "4.000", "4.050"]
    assert fourth[12:] == ["none", "none"]


def test_worst_predictions_are_ranked_linked_and_folded(text):
    section = part(text, "Worst predictions")
    links = re.findall(r'<li><a href="#(.*?)">(.*?)</a>', section)
    parts = re.findall(r'<details id="(.*?)">\s*<summary><h3>(.*?)</h3>', section)
    assert links == parts
    assert [unescape(title).split(" (kind, ")[0] for _, title in links] == [NAMES[s] for s in RANKED]
    assert "d (kind, 1 atom): L/σ of the DOS" in section
    assert "open" not in re.findall(r"<details[^>]*>", section)[0]
    assert section.count("<img") == 5
    body = rows(section)
    assert body[0] == ["property", "unit", "DFT", "predicted", "difference"]
    assert ["band energy at 1000 K", "eV/atom", "-5.000", "-5.050", "-0.050"] in body[1:11]
    assert ["band gap", "eV", "none", "none", "none"] in body[1:11]


def test_nothing_is_nan_and_names_are_escaped(text):
    assert not re.search(r">\s*nan\b|\bnan\s*<", text)
    assert "<i>liquid" not in text


def test_levels_are_the_chemical_potentials(evaluation, properties, tmp_path, monkeypatch):
    seen = []
    figure = plotting.structure_figure(evaluation, 0)
    monkeypatch.setattr(files, "png", lambda figure: b"picture")
    monkeypatch.setattr(plotting, "structure_figure", lambda _, s, levels: seen.append((s, levels)) or figure)
    report(tmp_path / "report.html", evaluation, properties)
    assert [s for s, _ in seen] == RANKED
    assert seen[0][1] == pytest.approx((0.5, 0.505))


def test_tables_without_much_in_them_make_a_page(evaluation, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "png", lambda figure: b"picture")
    bare = PropertyTable(np.array([300.0]), {"band_gap": np.full(7, np.nan)}, NAMES, N_ATOMS).per_atom()
    text = report(tmp_path / "report.html", evaluation, DerivedProperties(bare, bare, 300.0))
    assert part(text, "Properties derived from the DOS").count("<img") == 0


def losses(properties, noise):
    """Rows of the table of errors by property: L/σ, structures and note."""
    (table,) = properties_section(properties, noise).tables
    return {row[0]: (row[2], row[-2], row[-1]) for row in table.rows}


def test_rows_say_where_sigma_is_small(properties):
    true, predicted = (replace(t, facts=t.facts | {"zero": "fermi"}) for t in (properties.true, properties.predicted))
    true.columns["dos_at_fermi_level"][:] = 0.25
    found = losses(replace(properties, true=true, predicted=predicted), {"band_energy": 3.0, "heat_capacity": 1e-7})
    assert found["DOS at Fermi level"][0] == "no variation in this set"
    assert found["Fermi level"][2] == "energy zero is the DFT Fermi level, so σ is small: use the RMSE"
    assert found["band energy at 1000 K"][2] == "σ does not exceed the label noise: use the RMSE"
    assert found["heat capacity at 1000 K"][2] == ""


def test_rows_say_where_a_prediction_has_no_properties(evaluation, properties):
    kept = np.arange(7) != 4
    names = [name for name, there in zip(NAMES, kept, strict=True) if there]
    short = replace(
        properties.predicted,
        names=names,
        n_atoms=N_ATOMS[kept],
        columns={name: values[kept] for name, values in properties.predicted.columns.items()},
        spectra={name: values[kept] for name, values in properties.predicted.spectra.items()},
    )
    given = replace(properties, predicted=short.spread(kept, NAMES, N_ATOMS))
    np.testing.assert_array_equal(given.derived, kept)
    assert losses(given, {})["band energy at 1000 K"][1:] == (6, "1 prediction not derived")
    assert losses(given, {})["band gap"][1:] == (3, "1 prediction not derived; 3 structures without it")
    (table,) = by_structure_section(evaluation, given).tables
    assert table.numeric[3]
    row = next(row for row in table.rows if row[0] == NAMES[4])
    assert row[3::2] == ["not derived"] * 6
    assert row[2] == pytest.approx(0.04)


def test_tables_that_do_not_fit_are_refused(evaluation, properties, tmp_path):
    whole = table()
    with pytest.raises(ValueError, match=r"predicted table must hold one row per structure, per atom"):
        DerivedProperties(whole.per_atom(), whole, 300.0)
    with pytest.raises(ValueError, match="has no 500 K, only 300, 1000 K"):
        replace(properties, temperature=500.0)
    renamed = table(names=["x", *NAMES[1:]]).per_atom()
    with pytest.raises(ValueError, match="same structures in the same order"):
        replace(properties, predicted=renamed)
    with pytest.raises(ValueError, match="hold the 7 structures of the evaluation in the same order"):
        report(tmp_path / "report.html", evaluation, DerivedProperties(renamed, renamed, 300.0))


LISTEN = """<head><script>
const faults = [];
addEventListener("error", event => faults.push(event.message ?? "something did not load"), true);
addEventListener("securitypolicyviolation", event => faults.push(event.violatedDirective));
console.error = console.warn = (...words) => faults.push(words.join(" "));
</script>"""

PROBE = """<script>
const tables = [...document.querySelectorAll("table[data-sortable]")];
const named = name => tables.find(table => table.querySelector("thead tr:last-child th").textContent === name
  && table.rows[0].cells[2].textContent.startsWith("Fermi"));
const table = named("structure"), found = {width: innerWidth, orders: [], faults};
for (const index of [0, 0, 4, 12]) {
  table.querySelectorAll("button")[index].click();
  found.orders.push([...table.tBodies[0].rows].map(row => row.cells[index].textContent));
}
found.sorted = [...table.querySelectorAll("th[aria-sort]")].length;
found.closed = [...document.querySelectorAll("details")].filter(part => !part.open).length;
for (const link of document.querySelectorAll("ol a")) link.click();
found.opened = [...document.querySelectorAll("details[open]")].length;
addEventListener("load", () => {
  found.page = document.documentElement.scrollWidth;
  found.blank = [...document.images].filter(image => image.naturalWidth === 0).length;
  found.narrow = [...document.images].filter(image => image.clientWidth < 600).length;
  parent.postMessage(found, "*");
});
</script></body>"""

FRAMES = """<iframe src="probed.html" style="width:1280px;height:800px;border:0"></iframe>
<iframe src="probed.html" style="width:390px;height:844px;border:0"></iframe><pre></pre>
<script>
const all = [];
addEventListener("message", event => {
  all.push(event.data);
  document.querySelector("pre").textContent = JSON.stringify(all);
});
</script>"""


@pytest.fixture(scope="module")
def browser():
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("no chromium on this machine to show the page in")
    return found


@pytest.fixture(scope="module")
def shown(browser, text, tmp_path_factory):
    """What the page tells of itself at the width of a laptop and at that of a phone."""
    folder = tmp_path_factory.mktemp("browser")
    (folder / "probed.html").write_text(text.replace("<head>", LISTEN).replace("</body>", PROBE), encoding="utf-8")
    (folder / "frames.html").write_text(FRAMES)
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    flags += " --disable-component-update --disable-sync --virtual-time-budget=5000 --dump-dom"
    command = [browser, *flags.split(), f"--user-data-dir={folder / 'profile'}", (folder / "frames.html").as_uri()]
    page = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    results = json.loads(unescape(re.search(r"<pre>(.*)</pre>", page, re.DOTALL)[1]))
    assert len(results) == 2
    return {result["width"]: result for result in results}


@pytest.mark.parametrize("width", [1280, 390])
def test_browser_shows_the_page_without_sideways_scrolling(shown, width):
    assert shown[width]["page"] <= width
    assert shown[width]["blank"] == 0
    assert shown[width]["narrow"] == 0
    assert shown[width]["faults"] == []


@pytest.mark.parametrize("width", [1280, 390])
def test_browser_sorts_a_table(shown, width):
    up, down, energies, gaps = shown[width]["orders"]
    assert sorted(up) == sorted(NAMES)
    assert up.index("diamond-8") < up.index("diamond-16")
    assert down == up[::-1]
    assert [float(energy) for energy in energies] == sorted(float(energy) for energy in energies)
    assert gaps == ["0.500", "0.600", "0.700", "none", "none", "none", "none"]
    assert shown[width]["sorted"] == 1


@pytest.mark.parametrize("width", [1280, 390])
def test_browser_unfolds_what_a_link_leads_to(shown, width):
    assert (shown[width]["closed"], shown[width]["opened"]) == (5, 5)


def test_property_noise_is_interpolated_and_only_where_known():
    noise = {"smearing_width": [0.1, 0.3], "properties": {"temperature": 300.0, "rmse": {"band_energy": [0.04, 0.02]}}}
    assert property_noise_at(noise, 0.2, 300.0) == {"band_energy": pytest.approx(0.03)}
    assert property_noise_at(noise, 0.5, 300.0) == property_noise_at(noise, 0.2, 400.0) == {}
    assert property_noise_at({"smearing_width": [0.1]}, 0.1, 300.0) == property_noise_at(None, 0.1, 300.0) == {}


def test_cells_say_why_a_gap_has_no_number():
    note = "not resolvable (smearing 0.3 eV)"
    found = PropertyTable(
        np.array([300.0]), {"band_gap": np.array([np.nan, 1.0])}, ["a", "b"], notes={"band_gap": [note, ""]}
    )
    cells = [number_or_none(found.column("band_gap")[row], note=note_of(found, "band_gap", row)) for row in (0, 1)]
    assert cells == [note, 1.0]
    assert note_of(found, "fermi_level", 0) == ""
    assert number_or_none(np.nan) == "none"
