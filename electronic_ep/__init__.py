"""Electronic hardware for Equilibrium Propagation: memristor crossbars."""

from electronic_ep.irdrop import Terminals, Wires, effective

__all__ = ["Terminals", "Wires", "effective"]
