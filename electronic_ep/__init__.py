"""Electronic hardware for Equilibrium Propagation: memristor crossbars, resistive networks, ngspice."""

from electronic_ep import devices, presets, programming, spice
from electronic_ep.cost import Periphery
from electronic_ep.crossbar import CrossbarWeight, oracle, outer
from electronic_ep.devices import Memristor
from electronic_ep.digital import Accelerator, DigitalWeight
from electronic_ep.irdrop import Terminals, Wires, drops, effective, local_rule
from electronic_ep.nudge import CurrentNudge
from electronic_ep.resistive import ConductanceWeight, Diodes, ResistiveNetwork

__all__ = [
    "Accelerator",
    "ConductanceWeight",
    "CrossbarWeight",
    "CurrentNudge",
    "DigitalWeight",
    "Diodes",
    "Memristor",
    "Periphery",
    "ResistiveNetwork",
    "Terminals",
    "Wires",
    "devices",
    "drops",
    "effective",
    "local_rule",
    "oracle",
    "outer",
    "presets",
    "programming",
    "spice",
]
