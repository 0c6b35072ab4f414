"""The conformance suite holds for what keeps the contract and catches what breaks it."""

import pytest
import torch
from torch import nn

from ep_core import DenseWeight, WeightOperator, Written, check_operator
from ep_core.testing import NastyWeight


def nasty(source):
    return NastyWeight(6, 5, generator=source)


def test_dense_weight_keeps_the_contract(source):
    check_operator(DenseWeight(7, 5, generator=source, dtype=torch.float64))


def test_nasty_operator_keeps_the_contract(source):
    check_operator(nasty(source))


def test_nasty_operator_is_nasty(source):
    operator = nasty(source)
    post, pre = torch.randn(3, 6, dtype=torch.float64), torch.randn(3, 5, dtype=torch.float64)
    claimed = operator.bilinear_grad(post, pre)["theta"]
    true = WeightOperator.bilinear_grad(operator, post, pre)["theta"]
    assert (claimed - true).norm() / true.norm() > 0.01, "the unknown crosstalk does not matter"
    grid = operator.theta / operator.step
    assert torch.equal(operator.theta, operator.step * grid.round())
    assert operator.program_({"theta": torch.full_like(operator.theta, 9.0)}).clipped == operator.theta.numel()


class Broken(NastyWeight):
    """One clause of the contract broken at a time, by name."""

    broken = ""

    def mvm(self, x, generator=None):
        if self.broken == "linear":
            return super().mvm(x.relu() if not x.is_complex() else x, generator)
        if self.broken == "repeatable" and generator is None:
            return super().mvm(x) + 1e-3 * torch.randn(len(x), self.out_features, dtype=torch.float64).to(x.dtype)
        if self.broken == "global noise" and generator is not None:
            torch.rand(())
        return super().mvm(x, generator)

    def bilinear_grad(self, post, pre, backward=False):
        if self.broken == "oracle under a twin":
            return WeightOperator.bilinear_grad(self, post, pre, backward)
        if self.broken == "backward ignored":
            return super().bilinear_grad(post, pre, False)
        if self.broken == "keys":
            return {"weight": super().bilinear_grad(post, pre, backward)["theta"]}
        return super().bilinear_grad(post, pre, backward)

    @torch.no_grad()
    def program_(self, deltas, generator=None):
        if self.broken == "owed":
            self.owed_theta.zero_()
        if self.broken == "blind":
            deltas = {name: -d for name, d in deltas.items()}
        if self.broken == "NaN":
            deltas = {name: d.nan_to_num() for name, d in deltas.items()}
        return super().program_(deltas, generator)

    @property
    def blind(self):
        return self.broken == "blind"

    def matrix(self):
        if self.broken == "cache":
            if not self._kept:
                self._kept[False] = (("kept",), super().matrix())
            return self._kept[False][1]
        return super().matrix()


@pytest.mark.parametrize(
    ("broken", "clause"),
    [
        ("linear", "not linear"),
        ("repeatable", "not linear|not repeatable"),
        ("global noise", "global random state"),
        ("oracle under a twin", "finite differences of believed"),
        ("backward ignored", "backward=True"),
        ("keys", "has keys"),
        ("owed", "lost part|40 writes report"),
        ("NaN", "NaN"),
        ("blind", "elsewhere than asked"),
        ("cache", "stale"),
    ],
)
def test_suite_catches(source, broken, clause):
    operator = Broken(6, 5, generator=source)
    operator.broken = broken
    with pytest.raises(AssertionError, match=clause):
        check_operator(operator)


@pytest.mark.parametrize("kind", [DenseWeight, NastyWeight])
def test_suite_catches_a_wrong_symmetry(source, kind):
    operator = kind(6, 5, generator=source)
    operator.double()
    operator.symmetric = not operator.symmetric
    with pytest.raises(AssertionError, match="symmetric"):
        check_operator(operator)


def test_suite_wants_double_precision(source):
    with pytest.raises(AssertionError, match="float64"):
        check_operator(DenseWeight(4, 3, generator=source))


class Minimal(WeightOperator):
    """The least that an operator must bring: the rest of the contract has defaults that are right."""

    symmetric = True

    def __init__(self):
        super().__init__(4, 3)
        self.w = nn.Parameter(torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(4, 3))

    def mvm(self, x, generator=None):
        return x @ self.w.to(x.dtype).mT

    def vmm(self, y, generator=None):
        return y @ self.w.to(y.dtype)

    @torch.no_grad()
    def program_(self, deltas, generator=None):
        if not torch.isfinite(deltas["w"]).all():
            raise ValueError("not finite")
        self.w += deltas["w"]
        return Written(pulses=12)


def test_defaults_of_the_contract_are_right():
    check_operator(Minimal())


def test_a_weight_needs_a_shape(source):
    with pytest.raises(ValueError, match="1 x 1"):
        DenseWeight(0, 3, generator=source)
