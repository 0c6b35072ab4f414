"""Equilibrium Propagation on any hardware: learning that knows a weight only through its contract."""

from ep_core.activation import Activation, HardSigmoid, Linear, Modulator, Sigmoid, Softplus, Tanh
from ep_core.adjoint import (
    Adjoint,
    Unrolled,
    adjoint_gradient,
    backpropagation_gradient,
    compare,
    unrolled_gradient,
)
from ep_core.asymmetric import AsymEP, HolomorphicField, VectorField
from ep_core.backpropagation import Backpropagation
from ep_core.clamped import ContrastiveHebbian, CoupledLearning
from ep_core.conv import Convolution
from ep_core.dense import DenseWeight
from ep_core.edge import Edge, chain, fully_connected
from ep_core.estimators import Estimate, Estimator, Holomorphic, Nudging, OneSided, RandomSign, Symmetric
from ep_core.interchange import Held, hold, to_linear
from ep_core.ising import BoundedWeight, IsingNetwork
from ep_core.ising_ep import IsingEP, IsingEstimate
from ep_core.ising_fit import Average, LearningStopped, fit_ising
from ep_core.ledger import Ledger
from ep_core.library import DimodSampler
from ep_core.loss import CrossEntropy, Loss, SquaredError, one_hot
from ep_core.network import Network
from ep_core.nudge import IdealNudge, Law, Nudge, Pull
from ep_core.paired import Paired
from ep_core.relax import NotConverged, Relaxation, relax
from ep_core.samplers import Sampler, Samples, Schedule
from ep_core.solvers import Anderson, GaussSeidel, GradientFlow, Solver, Synchronous
from ep_core.sweepers import HeatBath, Injected, NoisyReads
from ep_core.testing import check_operator
from ep_core.train import Updater, fit
from ep_core.weight import WeightOperator, Written

__all__ = [
    "Activation",
    "Adjoint",
    "Anderson",
    "AsymEP",
    "Average",
    "Backpropagation",
    "BoundedWeight",
    "ContrastiveHebbian",
    "Convolution",
    "CoupledLearning",
    "CrossEntropy",
    "DenseWeight",
    "DimodSampler",
    "Edge",
    "Estimate",
    "Estimator",
    "GaussSeidel",
    "GradientFlow",
    "HardSigmoid",
    "HeatBath",
    "Held",
    "Holomorphic",
    "HolomorphicField",
    "IdealNudge",
    "Injected",
    "IsingEP",
    "IsingEstimate",
    "IsingNetwork",
    "Law",
    "LearningStopped",
    "Ledger",
    "Linear",
    "Loss",
    "Modulator",
    "Network",
    "NoisyReads",
    "NotConverged",
    "Nudge",
    "Nudging",
    "OneSided",
    "Paired",
    "Pull",
    "RandomSign",
    "Relaxation",
    "Sampler",
    "Samples",
    "Schedule",
    "Sigmoid",
    "Softplus",
    "Solver",
    "SquaredError",
    "Symmetric",
    "Synchronous",
    "Tanh",
    "Unrolled",
    "Updater",
    "VectorField",
    "WeightOperator",
    "Written",
    "adjoint_gradient",
    "backpropagation_gradient",
    "chain",
    "check_operator",
    "compare",
    "fit",
    "fit_ising",
    "fully_connected",
    "hold",
    "one_hot",
    "relax",
    "to_linear",
    "unrolled_gradient",
]
