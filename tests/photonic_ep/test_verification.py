"""Any mesh is a netlist: our solver, sax and photontorch compose the same S-matrix from its parts."""

import numpy as np
import pytest
import torch

from photonic_ep import circuit, clements, fftnet, models, reck
from photonic_ep.crosscheck import photontorch, sax
from photonic_ep.mesh.kernel import cell_matrix, propagate
from photonic_ep.mesh.netlist import mesh_netlist

PARTS = {"mzi": models.mzi, "straight": models.straight, "crossing": models.crossing}
WAVELENGTHS = np.array([1.53, 1.55, 1.571])


def imperfect(topology, source):
    """The mesh as a netlist with phases, coupler errors, loss, and guides, whose light depends on the wavelength."""
    netlist, drawn = mesh_netlist(topology, guide_um=37.0), {}
    for column, top in topology.mzis:
        angles, errors = 6 * torch.rand(2, generator=source), 0.05 * torch.randn(2, generator=source)
        drawn[column, top] = {
            "theta": float(angles[0]),
            "phi": float(angles[1]),
            "delta_in": float(errors[0]),
            "delta_out": float(errors[1]),
            "loss_dB": 0.3,
        }
        netlist["instances"][f"u_mzi_{column}_{top}"] = {"component": "mzi", "settings": drawn[column, top]}
    for name, body in netlist["instances"].items():
        if "_guide_" in name:
            netlist["instances"][name] = {**body, "settings": {**body["settings"], "loss_dB_cm": 2.0}}
    return netlist, drawn


MESHES = [(shape, modes) for shape in (clements, reck) for modes in range(2, 9)] + [(fftnet, 4), (fftnet, 8)]


@pytest.mark.parametrize(("shape", "modes"), MESHES)
def test_three_engines_agree(source, shape, modes):
    topology = shape(modes)
    netlist, drawn = imperfect(topology, source)
    ours, _ = circuit(netlist, PARTS)
    s, ports = ours.dense(wl=torch.from_numpy(WAVELENGTHS))
    into, out = ([ports.index(f"{side}_{mode}") for mode in range(modes)] for side in ("in", "out"))

    theirs, names = sax.solve(netlist, PARTS, wl=WAVELENGTHS)
    order = [names.index(port) for port in ports]
    np.testing.assert_allclose(s.numpy(), theirs[:, order][:, :, order], rtol=0, atol=1e-10)

    for lit, seen in ((into, out), (out, into)):
        entered = [ports[i] for i in lit]
        theirs, watched = photontorch.solve(netlist, PARTS, entered, wl=WAVELENGTHS)
        assert [ports.index(name) for name in watched] == sorted(seen)
        np.testing.assert_allclose(s[:, sorted(seen)][:, :, lit].numpy(), theirs, rtol=0, atol=1e-10)

    # The mesh engine, whose guides are one more loss and phase a column that each light meets
    values = {
        key: torch.tensor([[drawn[place][key]] for place in topology.mzis], dtype=torch.float64)
        for key in drawn[topology.mzis[0]]
    }
    cells = cell_matrix(models.mzi, values)
    guide = models.straight(wl=1.55, length=37.0, loss_dB_cm=2.0)["o1", "o2"]
    light = torch.eye(modes, dtype=torch.complex128)[:, :, None]
    for number, bound in ((torch.complex128, 1e-10), (torch.complex64, 1e-6)):
        mesh = propagate(topology, (guide * cells).to(number), light.to(number))[..., 0]
        np.testing.assert_allclose(s[1][out][:, into].numpy(), mesh.numpy(), rtol=0, atol=bound)


@pytest.mark.parametrize("lit", [[], ["in_0", "moon"], ["in_0", "in_1", "out_0", "out_1"]])
def test_photontorch_needs_ports_to_light_and_to_watch(lit):
    with pytest.raises(ValueError, match="light some, but not all"):
        photontorch.solve(mesh_netlist(clements(2)), PARTS, lit)
