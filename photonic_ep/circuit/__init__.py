"""Circuits in sax's language, in torch: parts, netlists, and a solver that keeps gradients and reflections."""

from photonic_ep.circuit.solve import Circuit, CircuitInfo, circuit

__all__ = ["Circuit", "CircuitInfo", "circuit"]
