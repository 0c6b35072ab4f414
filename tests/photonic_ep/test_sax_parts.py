"""Tiles as netlists of sax's own parts, which sax loads and runs without anything of ours."""

import jax
import numpy as np
import pytest
import sax
import torch
import yaml

from photonic_ep import Imperfections, MeshWeight, clements, fftnet, reck
from photonic_ep.mesh.netlist import tile_netlist
from photonic_ep.mesh.sax_parts import MODELS, in_sax_parts

jax.config.update("jax_enable_x64", True)
WRONG = Imperfections(phase_error=0.05, splitter_error=0.1, insertion_loss_db=0.2, imbalance_db=0.1, crosstalk=0.02)


@pytest.mark.parametrize(
    ("topology", "modes", "wrong"),
    [(clements, 4, Imperfections()), (reck, 3, WRONG), (fftnet, 4, Imperfections(crossing_loss_db=0.2))],
)
def test_sax_computes_the_tile(source, tmp_path, topology, modes, wrong):
    weight = MeshWeight(
        modes, 2 * modes, tile=modes, topology=topology, imperfections=wrong, generator=source, dtype=torch.float64
    )
    file = tmp_path / "tile.yml"
    file.write_text(yaml.safe_dump(in_sax_parts(tile_netlist(weight.topology, weight.tile_settings(1)))))
    made, _ = sax.circuit(sax.load_netlist(file), {name: getattr(sax.models, name) for name in MODELS})
    s = sax.sdict(made())
    want = weight.transfer()[1].detach().numpy()
    for (row, column), value in np.ndenumerate(want):
        np.testing.assert_allclose(complex(s[f"in_{column}", f"out_{row}"]), value, rtol=0, atol=1e-12)
        np.testing.assert_allclose(complex(s[f"out_{row}", f"in_{column}"]), value, rtol=0, atol=1e-12)


def test_what_sax_has_no_part_for():
    settings = {"u_mzi_0_0": {"theta": 1.0, "phi": 1.0, "delta_in": 1.0}}
    body = {"component": "mzi", "settings": settings["u_mzi_0_0"]}
    with pytest.raises(ValueError, match=r"u_mzi_0_0_in: the coupler's angle is 1.79 rad"):
        in_sax_parts({"instances": {"u_mzi_0_0": body}, "connections": {}, "ports": {}})
    with pytest.raises(ValueError, match="x is a ring"):
        in_sax_parts({"instances": {"x": {"component": "ring", "settings": {}}}, "connections": {}, "ports": {}})
