"""Calibration: a crosstalk table goes to a file and back, and what it is worth when a matrix is programmed."""

import pytest
import torch

from photonic_ep import Imperfections, MeshWeight, gradients
from photonic_ep.mesh.calibrate import read_crosstalk, write_crosstalk

NAMES = ["v_mzi_0_0.theta", "v_mzi_0_0.phi", "att_0.theta"]
TABLE = torch.tensor([[0.0, 0.02, 1e-7], [0.019, 0.0, 0.3], [-0.001, 0.0, 0.0]], dtype=torch.float64)


def test_a_table_goes_to_a_file_and_back(tmp_path):
    path = tmp_path / "table.csv"
    write_crosstalk(path, TABLE, NAMES)
    assert torch.equal(read_crosstalk(path, NAMES), TABLE)
    turned = [2, 0, 1]
    assert torch.equal(read_crosstalk(path, [NAMES[i] for i in turned]), TABLE[turned][:, turned])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0.019", "nan", "share of v_mzi_0_0.theta in v_mzi_0_0.phi is 'nan'"),
        ("0.019", "1.5", "not a number below 1"),
        ("0.019", "much", "'much'"),
        ("heater,v_mzi_0_0.theta", "heater,v_mzi_9_9.theta", "3 columns for 3 heaters; missing: .*v_mzi_0_0.theta"),
        ("att_0.theta,-0.001", "v_mzi_0_0.phi,-0.001", "3 rows for 3 heaters; missing: .*att_0.theta"),
        ("0.019,0.0,0.3", "0.019,0.0", "row of v_mzi_0_0.phi has 2 shares, not 3"),
    ],
)
def test_a_broken_table_is_refused_by_its_place(tmp_path, old, new, message):
    path = tmp_path / "table.csv"
    write_crosstalk(path, TABLE, NAMES)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ValueError, match=message):
        read_crosstalk(path, NAMES)


def test_an_empty_table_is_refused(tmp_path):
    (tmp_path / "table.csv").write_text("\n")
    with pytest.raises(ValueError, match="is empty"):
        read_crosstalk(tmp_path / "table.csv", NAMES)


def device(strength=0.02):
    known = Imperfections(crosstalk=strength)
    return MeshWeight(
        16, 16, tile=8, imperfections=known, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )


def test_a_measured_table_is_worth_most_of_an_exact_one(source):
    """Programmed blindly (oscillators refit), with a table that is 20 % wrong, and with the true one."""
    target = 0.05 * torch.randn(16, 16, generator=source, dtype=torch.float64)
    errors = {}
    for name, wrong in (("blind", None), ("20 %", 0.2), ("exact", 0.0)):
        weight = device()
        if wrong is not None:
            spread = 1 + wrong * torch.randn(weight.chip.heat.own.shape, generator=source, dtype=torch.float64)
            weight.calibrate_(weight.chip.heat.own * spread)
        weight.program_matrix_(target)
        errors[name] = float((weight.matrix() - target).norm() / target.norm())
    assert errors["exact"] < 1e-6
    assert errors["20 %"] < 0.4 * errors["blind"]


def test_the_twin_learns_with_the_table(source):
    post, pre = (torch.randn(9, 16, generator=source, dtype=torch.float64) for _ in range(2))
    weight = device()

    def cosine():
        # Calibrating turns the oscillators, so that the device itself is another.
        true = gradients.oracle(weight, post.mT @ pre)
        mine = torch.cat([g.flatten() for g in weight.bilinear_grad(post, pre).values()])
        theirs = torch.cat([g.flatten() for g in true.values()])
        return float(torch.nn.functional.cosine_similarity(mine, theirs, 0))

    blind = cosine()
    weight.calibrate_(weight.chip.heat.own.clone())
    assert cosine() > 0.9999 > blind


@pytest.mark.parametrize(
    ("table", "message"),
    [(torch.zeros(3, 3), r"crosstalk table of this tile is 256 x 256"), (torch.full((256, 256), 2.0), "below 1")],
)
def test_tables_of_another_tile_are_refused(table, message):
    weight = device()
    count = sum(len(names) for names in weight.heater_names().values())
    table = table if len(table) == 3 else torch.full((count, count), 2.0)
    with pytest.raises(ValueError, match=message.replace("256 x 256", f"{count} x {count}")):
        weight.calibrate_(table)
