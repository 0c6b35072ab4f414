"""Electronic hardware for Equilibrium Propagation: memristor crossbars, resistive networks, ngspice."""

from electronic_ep import spice
from electronic_ep.irdrop import Terminals, Wires, drops, effective
from electronic_ep.resistive import ConductanceWeight, Diodes, ResistiveNetwork

__all__ = ["ConductanceWeight", "Diodes", "ResistiveNetwork", "Terminals", "Wires", "drops", "effective", "spice"]
