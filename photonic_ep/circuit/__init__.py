"""Circuits in sax's language, in torch: today the parts."""
