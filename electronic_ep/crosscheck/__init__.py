"""Independent engines that recompute what we compute: one module each."""
