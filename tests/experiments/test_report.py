"""The report: what it says of runs, what it refuses, and how the page behaves in a browser without a network."""

import json
import re
import shlex
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import tyro
from plotly.offline import get_plotlyjs

from ep_core import Ledger
from experiments import layout, mnist, report, seeds, train
from experiments.common.folder import write_config
from experiments.common.options import TrainOptions
from experiments.common.provenance import MADE_BY, TOOLKIT, command
from experiments.common.report.bars import stacked
from experiments.common.report.collect import Folder, Trained, collect
from experiments.common.report.drawn import COLOURS, GREY
from experiments.common.report.groups import grouped, shortest
from experiments.common.report.light import phases
from experiments.common.report.parts import read_parts
from experiments.common.report.text import TIED, number, si
from experiments.common.resolve import resolve
from tests.experiments.written import compared, write

STYLE = (Path(report.__file__).parent / "common/report/page/style.css").read_text()


class Tags(HTMLParser):
    """All tags of a page with their attributes, and its text outside scripts."""

    def __init__(self, text):
        super().__init__()
        self.found, self.said, self.inside = [], "", ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self.inside = tag

    def handle_data(self, data):
        if self.inside not in ("script", "style"):
            self.said += data

    def of(self, name):
        return [attributes for tag, attributes in self.found if tag == name]


def test_it_says_what_was_run_and_how_to_repeat_it(page, runs):
    tags = Tags(page.read_text())
    for said in ("Report on 1 comparison, 4 runs, 1 layout", "cmo-hfox", TOOLKIT, "Harris, OE 22:10487"):
        assert said in tags.said
    for line in (
        "python experiments/train.py --sizes 64 12 10 --tile 4 --epochs 2 --no-controls",
        "python experiments/train.py --sizes 64 12 10 --backend ideal --epochs 2 --seed 1 --no-controls",
        f"python experiments/layout.py --run {runs / 'mesh'} --tile 0 1",
    ):
        assert line in tags.said
    # The mesh of the run, and the chip found beside it: mask, one MZI, wavelengths
    assert len(tags.of("img")) == 4
    assert all(image["alt"] and image["src"].startswith("data:image/png;base64,") for image in tags.of("img"))
    plots = [own for own in tags.of("div") if "data-plot" in own]
    assert [own["data-plot"] for own in plots] == [
        "parts-0-inference", "parts-0-training", "test", "curves", "joules-inference", "joules-training", "light-0"
    ]  # fmt: skip
    assert all(len(own["aria-label"]) > 40 for own in plots)
    assert "<i>array" not in page.read_text()


def test_nothing_comes_from_elsewhere(page):
    text = page.read_text()
    assert text.count(get_plotlyjs()) == 1
    rest = text.replace(get_plotlyjs(), "")
    assert not re.search(r"https?:|//cdn|@import|url\(", rest)
    outside = [a[key] for _, a in Tags(rest).found for key in ("src", "href") if key in a]
    assert outside
    assert all(link.startswith(("#", "data:")) for link in outside)


def test_seeds_are_one_row_with_their_spread(runs):
    groups = grouped(collect((runs,)).runs)
    assert [(group.label, len(group.runs)) for group in groups] == [
        ("crossbar", 1), ("ideal", 2), ("photonic", 1)
    ]  # fmt: skip
    values = [json.loads((runs / f"ideal{n}/summary.json").read_text())["test_error"] for n in (0, 1)]
    spread = groups[1].spread("test_error")
    assert spread.mean == pytest.approx(sum(values) / 2)
    assert spread.std == pytest.approx(abs(values[0] - values[1]) / 2**0.5)
    assert groups[0].spread("logistic_error") is None


def test_kinds_of_runs_are_told_apart():
    folder = Folder(path=Path("x"), config={}, summary={}, made_by={}, pictures=[])
    every = [{}, {"crosstalk": 0.0}, {"backend": "ideal"}, {"backend": "ideal", "beta": 0.3, "seed": 4}]

    def labels(*several):
        made = [
            Trained(folder=folder, options=resolve(TrainOptions(**own)), history=[], ledger=Ledger()) for own in several
        ]
        return [group.label for group in grouped(made)]

    assert labels(every[0], every[2]) == ["photonic", "ideal"]
    assert labels(every[0], every[1]) == ["crosstalk 0.02", "crosstalk 0"]
    assert labels(*every) == ["photonic", "photonic, crosstalk 0", "ideal", "ideal, beta 0.3"]
    assert labels(every[3]) == ["digits, ideal"]


def test_light_is_that_of_both_phases(runs):
    (mesh,) = collect((runs / "mesh",)).runs
    seen, job = phases(mesh.machine), mesh.machine.job
    operator, x = job.network.operators[1], job.data.test.x[:1]
    state = job.estimator.infer(job.network, x).state[0]
    column = seen.tile[1]
    entering = state[0, 4 * column : 4 * column + 4]
    assert seen.free[:, 0] == pytest.approx(entering.abs().numpy())
    assert seen.free[:, -1] == pytest.approx(
        (operator.transfer()[column] @ (0j + entering)).abs().detach().numpy(), abs=1e-6
    )
    assert len(seen.stages) == seen.free.shape[1]
    # The nudge pulls the right class up, and the neurons behind it.
    assert seen.outputs[1] > seen.outputs[0]
    assert abs(seen.nudged - seen.free).max() > 1e-3


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"backend": "ideal", "net": "conv", "loss": "cross-entropy", "seed": 3},
        {"backend": "crossbar", "device": "neurram", "levels": 4, "lr": (0.1, 0.2)},
        {"device": "mems", "skip": True, "dac_volts": True, "clip": 2.0, "output_range": (-1.0, 2.0)},
        {"backend": "ideal", "net": "hopfield", "estimator": "one-sided", "beta": -0.3},
        {"backend": "digital", "solver": "anderson", "optimiser": "sgd"},
    ],
)
def test_the_shortest_command_makes_the_same_run(given):
    full = resolve(TrainOptions(**given))
    few = shortest(full)
    words = shlex.split(command(few))[2:]
    assert resolve(tyro.cli(TrainOptions, args=words)) == full
    assert sum(value is not None and value is not False for value in vars(few).values()) <= len(given) + 3


@pytest.mark.parametrize(
    "options",
    [
        seeds.SeedsOptions(seeds=3, data_dir=Path("some where"), out=Path("x")),
        mnist.MnistOptions(rows=("photonic", "layered")),
        layout.LayoutOptions(run=Path("runs/a"), tile=(1, 2), known_errors=True, check=True),
        report.ReportOptions(runs=(Path("a"), Path("b c"))),
    ],
    ids=lambda options: type(options).__name__,
)
def test_scripts_say_how_they_were_called(options, tmp_path):
    write_config(tmp_path, options, {"seed": 1})
    made_by = json.loads((tmp_path / "config.json").read_text())[MADE_BY]
    assert re.fullmatch(r"\d+\.\d+.*", made_by["torch"])
    python, script, *words = shlex.split(made_by["command"])
    assert (python, Path(script).parent.name) == ("python", "experiments")
    again = tyro.cli(type(options), args=words)
    same = {"out": None} | ({"check": False} if hasattr(options, "check") else {})
    assert again == replace(options, **same)


def refused(capsys, out, words, *fragments):
    before = out.read_bytes() if out.is_file() else None
    assert write(*words, "--out", out) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    for fragment in fragments:
        assert fragment in lines[0]
    assert (out.read_bytes() if out.is_file() else None) == before
    assert not list(out.parent.glob(".*.part")) if out.parent.is_dir() else True


@pytest.fixture
def copy(runs, tmp_path):
    """A run that may be spoiled."""
    shutil.copytree(runs / "ideal0", tmp_path / "copy")
    return tmp_path / "copy"


def changed(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_what_is_no_finished_run_is_refused(capsys, tmp_path, runs, copy):
    out = tmp_path / "report.html"
    out.write_text("an older page")
    refused(capsys, out, [tmp_path / "nowhere"], "nowhere", "no such folder")
    (tmp_path / "empty").mkdir()
    refused(capsys, out, [tmp_path / "empty"], "empty is not a run", "no config.json")
    (copy / "summary.json").rename(copy / "aside")
    refused(capsys, out, [runs, copy], "copy is not finished", "no summary.json")
    (copy / "summary.json").write_text("{")
    refused(capsys, out, [copy], "summary.json cannot be read")
    (copy / "aside").rename(copy / "summary.json")
    (copy / "last.safetensors").write_bytes(b"x")
    refused(capsys, out, [copy], "last.safetensors", "not a readable checkpoint")
    changed(copy / "config.json", colour="red")
    refused(capsys, out, [copy], "other options than this version", "colour")


def test_runs_of_two_versions_are_refused(capsys, tmp_path, runs, copy):
    out, config = tmp_path / "report.html", copy / "config.json"
    stored = json.loads(config.read_text())
    changed(config, **{MADE_BY: stored[MADE_BY] | {TOOLKIT: "99.0"}})
    refused(capsys, out, [runs, copy], "different versions of photonic-ep", "99.0", str(copy))
    assert write(copy, "--out", out) == 0
    # A run of before versions were recorded resumes, and can be told of.
    config.write_text(json.dumps({name: value for name, value in stored.items() if name != MADE_BY}))
    assert train.launch(TrainOptions(resume=copy, controls=False), show=False)["epochs"] == 2
    assert write(runs / "ideal1", copy, "--out", out) == 0
    assert "not recorded" in Tags(out.read_text()).said


def test_places_that_cannot_be_written_are_refused(capsys, tmp_path, runs):
    (tmp_path / "folder.html").mkdir()
    refused(capsys, tmp_path / "folder.html", [runs], "--out must name a .html file")
    refused(capsys, tmp_path / "summary.json", [runs], "--out must name a .html file", "summary.json")
    refused(capsys, tmp_path / "no" / "report.html", [runs], "there is no folder", "no")
    refused(capsys, Path("/proc/report.html"), [runs], "/proc/report.html", "cannot be written")


def test_a_page_is_written_whole_or_not_at_all(capsys, tmp_path, runs, monkeypatch):
    out = tmp_path / "report.html"
    out.write_text("an older page")

    def full(_):
        raise OSError("No space left on device")

    monkeypatch.setattr("ep_core.checkpoint.os.fsync", full)
    refused(capsys, out, [runs / "ideal0"], "No space left")


@pytest.mark.parametrize(
    ("old", "new", "fragments"),
    [
        (",inference,", ",lunch,", ("line 2", "inference, training", "'lunch'")),
        (",core,", ",heart,", ("line 2", "core", "'heart'")),
        (",1e-06,", ",-1,", ("line 2", "joules", "'-1'")),
        (",2,assumed", ",much,assumed", ("line 2", "mm2", "'much'")),
        ("machine,", "maker,", ("columns machine,quantity", "maker")),
    ],
)
def test_damaged_parts_are_refused(capsys, tmp_path, old, new, fragments):
    folder = compared(tmp_path / "comparison")
    text = (folder / "parts.csv").read_text()
    assert old in text
    (folder / "parts.csv").write_text(text.replace(old, new))
    refused(capsys, tmp_path / "report.html", [folder], "parts.csv", *fragments)


def test_any_scripts_folder_can_be_told_of(tmp_path):
    folder = tmp_path / "<b>pulses"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"bits": [4, 5], MADE_BY: {"command": "python x.py --y '<z>'"}}))
    (folder / "summary.json").write_text('{"gap": 0.5, "note": "no number"}')
    shutil.copy(Path(__file__).parents[2] / "docs/images/seeds.png", folder / "some_dots.png")
    assert write(folder, "--out", tmp_path / "report.html") == 0
    tags = Tags((tmp_path / "report.html").read_text())
    assert [own["alt"] for own in tags.of("img")] == ["Picture some dots of <b>pulses"]
    assert "python x.py --y '<z>'" in tags.said
    assert "4 5" in tags.said
    assert not tags.of("b")
    assert not tags.of("script")


def test_bars_are_sums_by_part_or_shares_where_totals_differ_much(tmp_path):
    rows = read_parts(compared(tmp_path / "comparison") / "parts.csv")
    own = [row for row in rows if row["quantity"] == "training"]
    bars = {bar.name: list(bar.x) for bar in stacked("x", "X", own).plot.data}
    assert bars == {"heaters": [2e-6, 0], "DAC": [1e-6, 0], "ADC": [0, 1e-6]}
    for row in own:
        row["joules"] *= 1e-3 if row["part"] == "ADC" else 1
    drawn = stacked("x", "X", own)
    bars = {bar.name: list(bar.x) for bar in drawn.plot.data}
    assert bars == {
        k: pytest.approx(v) for k, v in {"heaters": [200 / 3, 0], "DAC": [100 / 3, 0], "ADC": [0, 100]}.items()
    }
    assert f"mesh 3.00{TIED}µJ, most of it heaters" in drawn.alt
    assert f"(1.50{TIED}µJ .. 6.00{TIED}µJ)" in drawn.plot.data[0].y[0]


def test_numbers_are_short():
    assert [si(x, "J") for x in (3.39e-3, 999.9e-6, 12.34, 2e-20)] == [
        f"{told}J" for told in (f"3.39{TIED}m", f"1.00{TIED}m", f"12.3{TIED}", f"0.0200{TIED}a")
    ]
    assert [number(x) for x in (3.14159, 12345.6, 4.0, 1.5e-7)] == ["3.142", "12,346", "4", "1.5e-07"]


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def test_colours_stand_out_on_both_pages():
    light, dark = (dict(re.findall(r"--(\w+): (#\w+);", block)) for block in STYLE.split("@media")[:2])
    for own in (light, dark):
        for words in ("ink", "soft", "link"):
            assert contrast(own[words], own["page"]) >= 4.5
        for mark in (*COLOURS, GREY):
            assert contrast(mark, own["page"]) >= 3, mark
