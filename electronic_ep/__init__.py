"""Electronic hardware for Equilibrium Propagation: memristor crossbars, resistive networks, ngspice."""

from electronic_ep import spice
from electronic_ep.irdrop import Terminals, Wires, drops, effective
from electronic_ep.resistive import Conductances, Diodes, ResistiveNetwork

__all__ = ["Conductances", "Diodes", "ResistiveNetwork", "Terminals", "Wires", "drops", "effective", "spice"]
