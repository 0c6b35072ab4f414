"""Electronic hardware for Equilibrium Propagation: memristor crossbars."""

from electronic_ep import spice
from electronic_ep.irdrop import Terminals, Wires, drops, effective

__all__ = ["Terminals", "Wires", "drops", "effective", "spice"]
