import os
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.figure import Figure

from ldosml import LDOS, EnergyGrid, plotting
from ldosml.datasets.noise import label_noise_at
from ldosml.evaluation import Evaluation
from ldosml.plotting import files
from ldosml.report import Picture, Section, Table, save_report

NOISE = {"smearing_width": [0.1, 0.2, 0.5], "ldos": [0.12, 0.08, 0.02], "dos": [0.10, 0.06, 0.03], "structures": ["a"]}
NAMES = ["diamond-8", "<script>alert('liquid')</script>", 'a & "b"', "longer-than-a-phone-is-wide-" * 4, "diamond-16"]
KINDS = ["diamond", "<b>liquid</b>", "liquid", "liquid", "diamond"]


@pytest.fixture(scope="module")
def evaluation():
    rng = np.random.default_rng(0)
    grid = EnergyGrid.from_range(-6.0, 4.0, 0.1, zero="fermi")
    index = np.repeat(np.arange(5), [2, 3, 1, 4, 2])
    values = np.exp(-(((grid.energies + 2 + 0.1 * np.arange(12)[:, None]) / 1.5) ** 2))
    waves = rng.normal(0, 0.05, (12, 1)) * np.sin(grid.energies)
    true, predicted = (LDOS(grid, v, 0.3, structure_index=index) for v in (values, values + waves))
    return Evaluation(true, predicted, NAMES, KINDS)


def report(path, evaluation, **options):
    given = {
        "title": "Errors < & >",
        "training": {"kernel": "polynomial, degree 2", "descriptor": {"r_cut": 6.0, "species": ["Si"]}},
        "provenance": {"code": "closed form", "parts": [{"date": "2026"}, {"date": None, "relaxed": True}]},
        "label_noise": NOISE,
        "timings": {"fit": 1.25, "predict": 125.0, "DFT": 7300.0},
    }
    return save_report(path, evaluation, **given | options)


class Page(HTMLParser):
    """What a page holds: tags with their attributes, and tables as lists of rows of texts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.tables, self._open = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        self._open = tag in ("td", "th", "button")

    def handle_endtag(self, tag):
        self._open = False

    def handle_data(self, data):
        if self._open:
            self.tables[-1][-1][-1] += data

    def table(self, first_column):
        return next(t for t in self.tables if t and t[0] and t[0][0] == first_column)

    def listed(self):
        return dict(row for table in self.tables for row in table if len(row) == 2)


@pytest.fixture(scope="module")
def text(evaluation, tmp_path_factory):
    return report(tmp_path_factory.mktemp("report") / "report.html", evaluation).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


@pytest.fixture
def quick(monkeypatch):
    """Tests of other things do not wait for pictures to be drawn."""
    monkeypatch.setattr(files, "png", lambda figure: b"picture")
    for name in ("representatives_figure", "loss_by_energy_figure", "parity_figure"):
        monkeypatch.setattr(plotting, name, lambda *args: Figure())


def test_errors_are_those_of_the_evaluation_beside_the_label_noise(page, evaluation):
    losses = evaluation.losses()
    header, ldos, dos = page.table("spectrum")
    assert header[:5] == ["spectrum", "L/σ", "mean spectrum", "label noise", "RMSE (states/atom/√eV)"]
    for row, key, noise in ((ldos, "ldos", 0.06), (dos, "dos", 0.05)):
        expected = [losses[f"{key}_{name}"] for name in ("normalized_loss", "mean_spectrum_loss", "rmse")]
        expected.insert(2, noise)
        np.testing.assert_allclose(np.array(row[1:5], dtype=float), expected, atol=5.1e-4)
    assert ldos[5] == "12 atoms of 5 held-out structures, equal weight for each atom, and 101 energies"
    assert dos[5] == "5 held-out structures, equal weight whatever their size, and 101 energies"


def test_all_structures_are_listed_worst_first_with_full_precision(page, text, evaluation):
    rows = page.table("structure")[1:]
    expected = sorted(evaluation.by_structure(), key=lambda row: -row["ldos_loss"])
    assert [row[:3] for row in rows] == [[row["name"], row["kind"], str(row["n_atoms"])] for row in expected]
    for row in expected:
        assert f'data-value="{row["ldos_loss"]!r}"' in text
        assert f'data-value="{row["dos_loss"]!r}"' in text


def test_errors_by_kind_add_up_to_the_whole(page, evaluation):
    rows = page.table("kind")[1:]
    assert [row[:3] for row in rows] == [["<b>liquid</b>", "1", "3"], ["diamond", "2", "4"], ["liquid", "2", "5"]]
    structures, atoms, ldos, dos = np.array([row[1:] for row in rows], dtype=float).T
    losses = evaluation.losses()
    assert np.sqrt(np.average(ldos**2, weights=atoms)) == pytest.approx(losses["ldos_normalized_loss"], rel=0.01)
    assert np.sqrt(np.average(dos**2, weights=structures)) == pytest.approx(losses["dos_normalized_loss"], rel=0.01)


def test_training_and_provenance_are_listed_flat(page):
    listed = page.listed()
    assert listed["kernel"] == "polynomial, degree 2"
    assert listed["descriptor: r_cut"] == "6"
    assert listed["descriptor: species"] == "Si"
    assert listed["parts 1: date"] == "2026"
    assert listed["parts 2: date"] == "not known"
    assert listed["parts 2: relaxed"] == "yes"
    assert listed["smearing width"] == "0.3 eV (standard deviation)"
    assert listed["energies"] == "101 energies from -6 to 4 eV, step 0.1, zero: fermi"
    assert (listed["fit"], listed["predict"], listed["DFT"]) == ("1.25 s", "2 min 5 s", "2 h 1 min")


def test_names_are_escaped(text):
    assert "<script>alert" not in text
    assert "<b>liquid" not in text
    assert "&lt;script&gt;alert" in text
    assert "<title>Errors &lt; &amp; &gt;</title>" in text


def test_page_needs_no_other_file(page, text):
    assert "link" not in [tag for tag, _ in page.tags]
    sources = [value for _, attrs in page.tags for key, value in attrs.items() if key in ("src", "srcset", "data")]
    assert len(sources) == 3
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert [attrs for tag, attrs in page.tags if tag == "script"] == [{}]
    references = [attrs["href"] for _, attrs in page.tags if "href" in attrs]
    assert {reference[0] for reference in references} == {"#"}
    assert not re.search(r"https?:|@import|url\(", text)


def test_sortable_tables_have_buttons_in_their_headers(page, text):
    assert [tag for tag, _ in page.tags].count("button") == 10
    assert [attrs["aria-sort"] for tag, attrs in page.tags if tag == "th" and "aria-sort" in attrs] == ["descending"]
    assert "function sortRows" in text


def test_pictures_have_words_for_those_who_cannot_see_them(page):
    assert all(attrs["alt"] for tag, attrs in page.tags if tag == "img")


@pytest.mark.parametrize("options", [{"label_noise": None}, {"smearing_width": 0.6}])
def test_unknown_label_noise_is_said_so(tmp_path, evaluation, quick, options):
    text = report(tmp_path / "report.html", evaluation, **options).read_text()
    assert [row[3] for row in Page(text).table("spectrum")[1:]] == ["not known", "not known"]
    assert "is not known at a smearing of" in text


def test_smearing_that_nobody_knows_is_said_so(tmp_path, evaluation, quick):
    spectra = evaluation.true, evaluation.predicted
    unsaid = [LDOS(s.grid, s.values, structure_index=s.structure_index) for s in spectra]
    text = report(tmp_path / "report.html", Evaluation(*unsaid, NAMES, KINDS)).read_text()
    assert Page(text).listed()["smearing width"] == "not known"
    assert "unknown smearing" in text


def test_further_sections_are_shown(tmp_path, evaluation, quick):
    table = Table("Two things.", ["thing", "value"], [["first", 0.25], ["second", float("nan")], ["third", 3]])
    picture = Picture("Parity of <properties>", Figure(figsize=(1, 1)), "One property.")
    section = Section("Properties", ["In words."], [table], [picture])
    text = report(tmp_path / "report.html", evaluation, sections=[section]).read_text()
    assert Page(text).table("thing")[1:] == [["first", "0.250"], ["second", "not known"], ["third", "3"]]
    assert text.index("Worst, median") < text.index("Parity of &lt;properties&gt;") < text.index("Errors by kind</h2>")


def test_report_needs_nothing_but_the_evaluation(tmp_path, evaluation, quick):
    page = Page(save_report(tmp_path / "report.html", evaluation).read_text())
    assert [row[3] for row in page.table("spectrum")[1:]] == ["not known", "not known"]
    assert page.listed()["held-out structures"] == "5"
    assert not [table for table in page.tables if table == [] or table[0][:2] == ["step", "time"]]


def test_report_replaces_the_old_one_only_when_asked_and_leaves_nothing_else(tmp_path, evaluation, quick):
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(FileExistsError, match="overwrite"):
        report(path, evaluation)
    assert path.read_text() == "old"
    assert report(path, evaluation, overwrite=True) == path
    assert path.read_text().startswith("<!doctype html>")
    assert os.listdir(tmp_path) == ["report.html"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_failure_leaves_the_old_report(tmp_path, evaluation, quick, monkeypatch, step):
    def fail(*args):
        raise OSError(28, "No space left on device")

    path = tmp_path / "report.html"
    path.write_text("old")
    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match=r"No space left on device; it was not written.*report\.html"):
        report(path, evaluation, overwrite=True)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["report.html"]


def test_folder_that_does_not_exist_is_named(tmp_path, evaluation, quick):
    with pytest.raises(OSError, match=r"it was not written.*nowhere"):
        report(tmp_path / "nowhere" / "report.html", evaluation)


def test_label_noise_is_interpolated_within_the_known_widths():
    assert label_noise_at(NOISE, 0.3) == pytest.approx({"ldos": 0.06, "dos": 0.05})
    assert label_noise_at(NOISE, 0.1) == {"ldos": 0.12, "dos": 0.10}
    assert label_noise_at(NOISE, 0.1 + 0.2 + 0.2) == {"ldos": 0.02, "dos": 0.03}
    backwards = {key: NOISE[key][::-1] for key in ("smearing_width", "ldos", "dos")}
    assert label_noise_at(backwards, 0.15) == pytest.approx({"ldos": 0.10, "dos": 0.08})


@pytest.mark.parametrize(("noise", "width"), [(NOISE, 0.05), (NOISE, 0.51), (NOISE, None), (None, 0.3)])
def test_label_noise_outside_is_not_known(noise, width):
    assert label_noise_at(noise, width) == {}


def by_energy(**spectra):
    """Noise of bins of 1 eV from -4 to 2 eV, at two widths."""
    return (
        NOISE
        | {"smearing_width": [0.1, 0.3], "ldos": [0.9, 0.9], "dos": [0.9, 0.9]}
        | {"by_energy": {"start": -4.0, "step": 1.0, **spectra}}
    )


def test_label_noise_is_that_of_the_energies_judged():
    """The root mean square over the window, in units of the deviation there, whatever the lists say."""
    rms = [[3.0, 4.0, 0.0, 0.0, 1.0, None], [1.0, 2.0, 0.0, 0.0, 1.0, 1.0]]
    noise, sigma = by_energy(ldos=rms, dos=rms), {"ldos": 10.0, "dos": 5.0, "ldos Si": 1.0}

    def at(width, low, high, zero="fermi"):
        return label_noise_at(noise, width, EnergyGrid.from_range(low, high, 0.05, zero), sigma)

    assert at(0.1, -4, -2) == pytest.approx({"ldos": np.sqrt(12.5) / 10, "dos": np.sqrt(12.5) / 5})
    assert at(0.1, -6, -2) == pytest.approx({"ldos": 2.5 / 10, "dos": 2.5 / 5})  # nothing below
    assert at(0.1, -3.5, -2.5)["ldos"] == pytest.approx(np.sqrt(12.5) / 10)  # halves of two bins
    assert at(0.2, -4, -3)["dos"] == pytest.approx(2.0 / 5)  # between the widths
    assert at(0.1, 0, 1)["ldos"] == pytest.approx(0.1)
    assert at(0.1, 0, 1.1) == {}  # not measured at this width
    assert at(0.3, 0, 2)["ldos"] == pytest.approx(0.1)
    assert at(0.3, 0, 2.1) == {}
    assert at(0.3, 0, 2, "code") == {}
    assert label_noise_at(noise, 0.3) == {"ldos": 0.9, "dos": 0.9}


def test_label_noise_of_one_window_is_that_of_its_parts():
    rng = np.random.default_rng(0)
    noise, sigma = by_energy(dos=rng.uniform(0, 1, (2, 6)).tolist()), {"dos": 1.0}
    parts = [
        label_noise_at(noise, 0.1, EnergyGrid.from_range(low, low + 1.0, 0.1, "fermi"), sigma)["dos"] ** 2
        for low in (-4, -3, -2, -1)
    ]
    whole = label_noise_at(noise, 0.1, EnergyGrid.from_range(-4, 0, 0.1, "fermi"), sigma)["dos"] ** 2
    assert whole == pytest.approx(np.mean(parts))


@pytest.mark.parametrize("noise", [{}, {"smearing_width": [0.1, 0.2], "ldos": [0.1], "dos": [0.1, 0.1]}])
def test_malformed_label_noise_is_refused(noise):
    with pytest.raises(ValueError, match="lists smearing_width, ldos and dos of one length"):
        label_noise_at(noise, 0.1)
