"""Weights turned by an angle, how estimators align there, what trainings report, and the figure of both."""

import math

import pytest
import torch

from ep_core import AsymEP, VectorField
from ep_core import data as datasets
from ep_core.data import Split
from experiments import homeostasis
from experiments.common import untied
from experiments.common.pictures import homeostasis_picture

DATA = datasets.digits()


@pytest.mark.parametrize("degrees", [0, 30, 90])
def test_turned_weights_have_the_angle_and_the_norm(source, degrees):
    w = torch.randn(6, 5, generator=source, dtype=torch.float64)
    other = untied.turned(w, degrees, source)
    assert float(other.norm()) == pytest.approx(float(w.norm()))
    assert float((w * other).sum() / w.norm() ** 2) == pytest.approx(math.cos(math.radians(degrees)), abs=1e-12)


def test_plain_ep_loses_the_gradient_as_the_square_of_the_cosine(source):
    """Two hidden layers at 60 degrees: two feedback matrices lie between the output and the first layer."""
    net = untied.network(64, 2, 60, source, torch.float64)
    split = Split(DATA.validation.x[:60].double(), DATA.validation.labels[:60])
    plain, corrected = (
        untied.alignment(net, split, kind(beta=0.05, free=untied.EXACT, nudged=untied.EXACT))
        for kind in (VectorField, AsymEP)
    )
    assert plain.converged == corrected.converged == 1
    assert plain.cosine == pytest.approx(0.25, abs=0.08)
    assert corrected.cosine >= 0.999
    assert corrected.error <= 5e-3 < plain.error


def test_samples_that_do_not_converge_are_left_out_and_counted(source):
    net = untied.network(64, 2, 90, source, torch.float64)
    split = Split(DATA.validation.x[:3].double(), DATA.validation.labels[:3])
    hasty = untied.EXACT.__class__(steps=1, tolerance=1e-12)
    found = untied.alignment(net, split, VectorField(beta=0.05, free=hasty, nudged=hasty))
    assert (found.converged, found.cosine) == (0, 0)


@pytest.mark.filterwarnings("ignore::ep_core.NotConverged")
def test_trainings_and_their_figure():
    few = untied.subset(DATA, 60)
    assert len(few.train) == 60
    trained = {m: [untied.train(m, 0, few, epochs=1, batch=20)] for m in untied.METHODS}
    split = Split(DATA.validation.x[:2].double(), DATA.validation.labels[:2])
    aligned = {angle: homeostasis.align(angle, split) for angle in (0, 90)}
    summary = homeostasis.summarise(aligned, trained)
    assert summary["homeostasis_asymmetry"] < summary["ep_asymmetry"]
    assert summary["adjoint_minus_asymep"] == summary["adjoint_test"] - summary["asymep_test"]
    assert summary["asymep_cosine_min"] >= 0.999
    assert {f"n{n}_error_0" for n in (2, 4, 6)} <= set(summary)
    assert summary["n6_error_0"] < summary["n4_error_0"] < summary["n2_error_0"]
    assert len(homeostasis_picture(aligned, trained, "digits").axes) == 3
