"""A trained mesh as a mask: GDS whose own netlist computes the trained weights, checked from the file alone."""

from layouts.errors import known_errors
from layouts.export import Chip, export, read_pins
from layouts.mesh import mesh_layout
from layouts.process import GPDK, Process
from layouts.verify import closed_loop, drc, lvs

__all__ = ["GPDK", "Chip", "Process", "closed_loop", "drc", "export", "known_errors", "lvs", "mesh_layout", "read_pins"]
