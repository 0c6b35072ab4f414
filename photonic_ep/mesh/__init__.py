"""Meshes of Mach-Zehnder interferometers: their shape, what is wrong with them, and the matrix that they make."""
