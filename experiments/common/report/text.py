"""Numbers in words."""

import math

PREFIXES = {-18: "a", -15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}


def si(value: float, unit: str) -> str:
    """Three digits with a prefix: 0.00339 J is 3.39 mJ."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {unit}"
    power = min(12, max(-18, 3 * math.floor(math.log10(abs(value) * (1 + 1e-12)) / 3)))
    scaled = value / 10.0**power
    digits = max(0, 2 - math.floor(math.log10(abs(scaled) * (1 + 1e-12)))) if abs(scaled) >= 1 else 3
    return f"{scaled:.{digits}f} {PREFIXES[power]}{unit}"


def number(value: float) -> str:
    """Four significant digits; whole numbers whole, with commas."""
    if math.isfinite(value) and value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.4g}"
