"""Equilibrium Propagation on any hardware: learning that knows a weight only through its contract."""

from ep_core.activation import Activation, HardSigmoid, Modulator, Sigmoid
from ep_core.adjoint import adjoint_gradient, compare, unrolled_gradient
from ep_core.dense import DenseWeight
from ep_core.estimators import Estimate, Estimator, Holomorphic, OneSided, RandomSign, Symmetric
from ep_core.ledger import Ledger
from ep_core.loss import SquaredError, one_hot
from ep_core.network import Network
from ep_core.nudge import IdealNudge, Nudge
from ep_core.relax import GaussSeidel, Relaxation, relax
from ep_core.testing import check_operator
from ep_core.train import Updater, fit
from ep_core.weight import WeightOperator, Written

__all__ = [
    "Activation",
    "DenseWeight",
    "Estimate",
    "Estimator",
    "GaussSeidel",
    "HardSigmoid",
    "Holomorphic",
    "IdealNudge",
    "Ledger",
    "Modulator",
    "Network",
    "Nudge",
    "OneSided",
    "RandomSign",
    "Relaxation",
    "Sigmoid",
    "SquaredError",
    "Symmetric",
    "Updater",
    "WeightOperator",
    "Written",
    "adjoint_gradient",
    "check_operator",
    "compare",
    "fit",
    "one_hot",
    "relax",
    "unrolled_gradient",
]
