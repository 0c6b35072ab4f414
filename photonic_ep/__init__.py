"""Photonic hardware for Equilibrium Propagation: meshes of MZIs as weights, light as the nudge."""

from photonic_ep import gradients, presets
from photonic_ep.circuit import circuit, models, tables, time_domain
from photonic_ep.detect import BalancedDetector, Laser
from photonic_ep.ising import PowerSwept
from photonic_ep.mesh.decompose import MeshPhases, decompose
from photonic_ep.mesh.heat import FloorPlan
from photonic_ep.mesh.imperfections import Imperfections
from photonic_ep.mesh.topology import Topology, clements, fftnet, reck
from photonic_ep.nudge import IntensityNudge, NudgeLight
from photonic_ep.weight import MeshWeight

__all__ = [
    "BalancedDetector",
    "FloorPlan",
    "Imperfections",
    "IntensityNudge",
    "Laser",
    "MeshPhases",
    "MeshWeight",
    "NudgeLight",
    "PowerSwept",
    "Topology",
    "circuit",
    "clements",
    "decompose",
    "fftnet",
    "gradients",
    "models",
    "presets",
    "reck",
    "tables",
    "time_domain",
]
