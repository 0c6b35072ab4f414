"""The composition root of the scripts: from options to a trained run, its files and its tables."""
