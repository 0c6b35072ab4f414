"""Electronic hardware for Equilibrium Propagation: memristor crossbars."""

from electronic_ep import devices, presets, programming
from electronic_ep.cost import Periphery
from electronic_ep.crossbar import CrossbarWeight, oracle, outer
from electronic_ep.devices import Memristor
from electronic_ep.irdrop import Terminals, Wires, drops, effective
from electronic_ep.nudge import CurrentNudge

__all__ = [
    "CrossbarWeight",
    "CurrentNudge",
    "Memristor",
    "Periphery",
    "Terminals",
    "Wires",
    "devices",
    "drops",
    "effective",
    "oracle",
    "outer",
    "presets",
    "programming",
]
