"""nn.Linear on every operator and back; networks as files; what does not fit is said before anything is written."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from electronic_ep import CrossbarWeight, devices
from ep_core import DenseWeight, Network, Paired, hold, interchange, to_linear
from ep_core.testing import NastyWeight
from ep_core.weight import OutOfRangeError
from photonic_ep import MeshWeight, presets

D = torch.float64


@pytest.fixture
def linear(source):
    made = nn.Linear(11, 7, dtype=D)
    with torch.no_grad():
        made.weight.copy_(0.3 * torch.randn(7, 11, generator=source, dtype=D))
        made.bias.copy_(torch.randn(7, generator=source, dtype=D))
    return made


EXACT = {
    "dense": DenseWeight,
    "mesh": partial(MeshWeight, tile=4),
    "crossbar": partial(
        CrossbarWeight, memristor=devices.Memristor(low_us=1.0, high_us=9.0, response=devices.LinearStep.of(8))
    ),
}


@pytest.mark.parametrize(("kind", "bound"), [("dense", 0), ("mesh", 1e-12), ("crossbar", 0.03), ("paired", 0)])
def test_a_layer_goes_there_and_back(linear, source, kind, bound):
    one = partial(EXACT.get(kind, DenseWeight), generator=source, dtype=D)

    def two(out, n, *, std):
        return Paired(one(out, n, std=std), one(out, n, std=std))

    held = hold(linear, two if kind == "paired" else one, source)
    assert held.error <= bound
    assert held.written.pulses > 0
    x = torch.randn(5, 11, generator=source, dtype=D)
    again = to_linear(held.operator, held.bias)
    torch.testing.assert_close(again(x), linear(x), rtol=0, atol=10 * bound + 1e-14)
    torch.testing.assert_close(held.operator.vmm(linear(x)), linear(x) @ linear.weight, rtol=0, atol=40 * bound + 1e-13)


def test_what_a_device_makes_of_a_layer_is_reported(linear, source):
    known = replace(presets.DEVICE_F.imperfections, crosstalk=0.0)
    held = hold(linear, partial(MeshWeight, imperfections=known, generator=source))
    off = held.operator.matrix().double() - linear.weight.detach()
    assert held.error == pytest.approx(float(off.norm() / linear.weight.detach().norm()), rel=1e-5)
    assert held.worst == pytest.approx(float(off.abs().max()), rel=1e-5)
    assert 1e-3 < held.error < 0.2


@pytest.mark.parametrize("kind", ["mesh", "crossbar"])
def test_a_range_is_widened_for_weights_far_beyond_their_spread(source, kind):
    linear = nn.Linear(12, 12, bias=False, dtype=D)
    with torch.no_grad():
        linear.weight.zero_()[3, 5] = 1.0
    held = hold(linear, partial(EXACT[kind], generator=source, dtype=D), source)
    assert held.error < (1e-12 if kind == "mesh" else 0.05)
    assert not held.bias.any()
    assert to_linear(held.operator).bias is None


def test_what_cannot_be_held(linear, source):
    with pytest.raises(ValueError, match="NastyWeight cannot be set to a matrix"):
        hold(linear, lambda out, n, *, std: NastyWeight(out, n, generator=source))  # noqa: ARG005
    with pytest.raises(OutOfRangeError, match="times the largest") as beyond:
        CrossbarWeight(7, 11, top=0.01, std=1e-3).program_matrix_(torch.full((7, 11), 0.03))
    assert beyond.value.factor == pytest.approx(3, rel=1e-5)
    with torch.no_grad():
        linear.weight[0, 0] = float("nan")
    with pytest.raises(ValueError, match="not finite"):
        hold(linear, DenseWeight)


def network(source, weight=DenseWeight):
    return Network((6, 5, 3), partial(weight, generator=source, dtype=D))


@pytest.mark.parametrize("suffix", interchange.SUFFIXES)
def test_a_network_goes_to_a_file_and_onto_meshes(source, tmp_path, suffix):
    first, file = network(source), tmp_path / f"weights{suffix}"
    with torch.no_grad():
        first.shifts[0].copy_(torch.arange(5))
    interchange.write(file, interchange.matrices(first))
    if suffix == ".npz":
        with np.load(file) as stored:
            np.testing.assert_array_equal(stored["weight_0"], first.operators[0].matrix().numpy())
    second = network(source, partial(MeshWeight, tile=4, std=0.5))
    errors = interchange.put_(second, interchange.read(file))
    assert max(errors.values()) < 1e-12
    for a, b in zip(interchange.matrices(first).items(), interchange.matrices(second).items(), strict=True):
        assert a[0] == b[0]
        torch.testing.assert_close(a[1], b[1], rtol=0, atol=1e-12)


def test_files_that_do_not_fit_leave_the_network_as_it_was(source, tmp_path):
    net = network(source)
    held = interchange.matrices(net)
    wrong = {
        "weight_1 is .3, 5. in this network, .3, 4. there": held | {"weight_1": torch.ones(3, 4)},
        "bias_1 is .3,. in this network, missing there": {n: t for n, t in held.items() if n != "bias_1"},
        "weight_2 is unknown in this network, .1,. there": held | {"weight_2": torch.ones(1)},
        "'weight_0' is not finite": held | {"weight_0": held["weight_0"] / 0},
    }
    for said, tensors in wrong.items():
        with pytest.raises(ValueError, match=said):
            interchange.put_(net, {"bias_0": torch.ones(5), **{n: t for n, t in tensors.items() if n != "bias_0"}})
    for name, tensor in interchange.matrices(net).items():
        torch.testing.assert_close(tensor, held[name], rtol=0, atol=0)
    for name, text in (("a.npz", "no"), ("a.safetensors", "no")):
        (tmp_path / name).write_text(text)
        with pytest.raises(ValueError, match=rf"{name} cannot be read as weights"):
            interchange.read(tmp_path / name)
    np.savez(tmp_path / "text.npz", weight_0=np.array(["a"]))
    with pytest.raises(ValueError, match="cannot be read as weights"):
        interchange.read(tmp_path / "text.npz")
    with pytest.raises(ValueError, match=r"files of .npz or .safetensors, not w.pt"):
        interchange.read(tmp_path.__class__("w.pt"))
    with pytest.raises(FileNotFoundError, match="there is no"):
        interchange.read(tmp_path / "none.npz")
