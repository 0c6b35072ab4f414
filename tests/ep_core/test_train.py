"""The loop learns, is a function of its seed, and continues from a checkpoint as if nothing had happened."""

from functools import partial

import pytest
import torch

from ep_core import DenseWeight, HardSigmoid, Ledger, Network, Symmetric, Updater, checkpoint, fit
from ep_core.data import Dataset, Split
from ep_core.testing import NastyWeight
from ep_core.train import check_chain, cosine, error

pytestmark = pytest.mark.filterwarnings("ignore::ep_core.NotConverged")


def toy(source):
    """Three clouds in the unit square of 6 pixels."""
    centres = torch.rand(3, 6, generator=source, dtype=torch.float64)

    def split(count):
        labels = torch.arange(count) % 3
        noise = 0.05 * torch.randn(count, 6, generator=source, dtype=torch.float64)
        return Split((centres[labels] + noise).clamp(0, 1), labels)

    return Dataset(name="toy", train=split(60), validation=split(12), test=split(30), classes=3)


def job(seed=0, weight=DenseWeight, **options):
    source = torch.Generator().manual_seed(seed)
    data = toy(torch.Generator().manual_seed(99))
    make = (lambda o, i: DenseWeight(o, i, generator=source, dtype=torch.float64)) if weight is DenseWeight else weight
    net = Network((6, 5, 3), make, HardSigmoid(), output=HardSigmoid(low=-0.5, high=1.5))
    settings = {"lrs": (0.02, 0.02), "bias_lr": 0.01, "schedule": partial(cosine, updates=120, warmup=5)} | options
    return data, net, Symmetric(beta=0.3), Updater(net, torch.optim.Adam, **settings), source


def run(data, net, estimator, updater, source, epochs=20, **options):
    return list(fit(net, data, estimator, updater, epochs=epochs, batch=10, generator=source, **options))


def test_training_learns():
    data, net, estimator, updater, source = job()
    before = error(net, data.test, estimator)
    history = run(data, net, estimator, updater, source)
    assert error(net, data.test, estimator) <= 3.4 < before
    assert history[-1].loss < 0.3 * history[0].loss


def test_training_learns_on_nasty_hardware():
    source = torch.Generator().manual_seed(1)
    data, net, estimator, updater, source = job(weight=lambda o, i: NastyWeight(o, i, generator=source))
    history = run(data, net, estimator, updater, source, ledger=(ledger := Ledger()))
    assert history[-1].loss < 0.5 * history[0].loss
    assert ledger.updates == 120
    assert ledger.pulses > 0


def test_same_seed_same_run():
    first, second = (job(seed=3) for _ in range(2))
    assert run(*first, epochs=3) == run(*second, epochs=3)
    for a, b in zip(first[1].parameters(), second[1].parameters(), strict=True):
        assert torch.equal(a, b)
    assert run(*job(seed=4), epochs=3) != run(*job(seed=3), epochs=3)


def test_checkpoint_continues_exactly(tmp_path):
    whole = job()
    history = run(*whole, epochs=6)
    data, net, estimator, updater, source = job()
    for epoch in fit(net, data, estimator, updater, epochs=6, batch=10, generator=source):
        if epoch.epoch == 2:
            checkpoint.save(tmp_path / "c.safetensors", net, updater, source, {"note": "two"})
            break
    data, net, estimator, updater, source = job(seed=77)
    assert checkpoint.load(tmp_path / "c.safetensors", net, updater, source)["note"] == "two"
    assert run(data, net, estimator, updater, source, epochs=6, done=2) == history[2:]
    for a, b in zip(net.parameters(), whole[1].parameters(), strict=True):
        assert torch.equal(a, b)


def test_weights_in_any_memory_layout_train_alike(tmp_path):
    """A fused optimiser reads raw memory: transposed weights or gradients must not scramble it, nor a resumed state."""
    _, net, _, _, source = job()
    net.operators[0].weight = torch.nn.Parameter(torch.rand(6, 5, dtype=torch.float64).T)

    def updater(fused):
        return Updater(net, lambda g: torch.optim.Adam(g, fused=fused), lrs=(1.0, 1.0), bias_lr=1.0)

    def gradients():
        return {name: torch.randn(p.shape, generator=source).double() for name, p in net.named_parameters()}

    plain, fused, loaded = updater(False), updater(True), updater(True)
    for step in range(3):
        same = gradients()
        if step == 2:
            checkpoint.save(tmp_path / "c.safetensors", net, fused, source, {})
            checkpoint.load(tmp_path / "c.safetensors", net, loaded, source)
        changes = {name: change.clone() for name, change in fused(same).items()}
        torch.testing.assert_close(changes, plain(same), rtol=1e-12, atol=1e-12)
    for name, change in loaded(same).items():
        assert torch.equal(change, changes[name]), name


def test_damaged_checkpoint_is_refused(tmp_path):
    _, net, _, updater, source = job()
    path = tmp_path / "c.safetensors"
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        checkpoint.read(path)
    checkpoint.save(path, net, updater, source, {})
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="not a readable checkpoint"):
        checkpoint.read(path)


def test_checkpoint_of_another_network_is_refused(tmp_path):
    _, net, _, updater, source = job()
    checkpoint.save(tmp_path / "c.safetensors", net, updater, source, {})
    other = Network((6, 4, 3), DenseWeight)
    with pytest.raises(ValueError, match="does not fit this network"):
        checkpoint.load_network(tmp_path / "c.safetensors", other)


def test_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def fails(part):
        part.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        checkpoint.write_atomic(path, fails)
    assert path.read_text() == "old"


def test_frozen_layers_stay():
    data, net, estimator, _, source = job()
    net.operators[0].requires_grad_(False)
    net.biases[0].requires_grad_(False)
    start = net.operators[0].weight.clone()
    updater = Updater(net, torch.optim.Adam, lrs=(0.0, 0.02), bias_lr=0.01)
    run(data, net, estimator, updater, source, epochs=3)
    assert torch.equal(start, net.operators[0].weight)


@pytest.mark.parametrize("optimiser", [torch.optim.Adam, torch.optim.SGD])
def test_changes_are_what_torch_would_do_to_the_weights(optimiser):
    """Optimising a change from zero and adding it is torch's own step."""
    _, net, _, _, _ = job()
    updater = Updater(
        net, lambda groups: optimiser(groups), lrs=(0.1, 0.1), bias_lr=0.1, schedule=partial(cosine, updates=1000)
    )
    copies = {name: p.detach().clone().requires_grad_() for name, p in net.named_parameters()}
    reference = optimiser(list(copies.values()), lr=0.1)
    schedule = torch.optim.lr_scheduler.LambdaLR(reference, lambda t: cosine(t, updates=1000))
    for _ in range(3):
        gradients = {name: torch.randn_like(p) for name, p in copies.items()}
        net.program_(updater(gradients))
        for name, p in copies.items():
            p.grad = gradients[name]
        reference.step()
        schedule.step()
    for name, p in net.named_parameters():
        torch.testing.assert_close(p, copies[name], rtol=1e-12, atol=1e-12)


def test_schedule_rises_then_falls_to_zero():
    factors = [cosine(t, updates=100, warmup=10) for t in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == factors[9] > 0.97
    assert factors[100] == pytest.approx(0, abs=1e-12)


def test_network_must_fit_the_data():
    data = toy(torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="6 pixels"):
        check_chain(Network((5, 3), DenseWeight), data)
    with pytest.raises(ValueError, match="3 classes"):
        check_chain(Network((6, 4), DenseWeight), data)


@pytest.mark.parametrize("lrs", [(0.1,), (0.1, -0.1), (0.1, float("nan"))])
def test_impossible_rates_are_refused(lrs):
    _, net, _, _, _ = job()
    with pytest.raises(ValueError, match="learning rates"):
        Updater(net, torch.optim.Adam, lrs=lrs, bias_lr=0.1)
