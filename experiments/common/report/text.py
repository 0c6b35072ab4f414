"""Numbers in words."""

import math

PREFIXES = {-18: "a", -15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}
TIED = "\u00a0"  # a space at which no line breaks


def si(value: float, unit: str, *, zero: str | None = None) -> str:
    """Three digits with a prefix: 0.00339 J is 3.39 mJ; `zero` is what 0 becomes."""
    if value == 0 or not math.isfinite(value):
        return zero if value == 0 and zero is not None else f"{value:g}{TIED}{unit}"
    shown = f"{value:.2e}"
    digits, power = float(shown.split("e")[0]), int(shown.split("e")[1])
    third = min(12, max(-18, 3 * (power // 3)))
    return f"{digits * 10 ** (power - third):.{max(0, 2 - power + third)}f}{TIED}{PREFIXES[third]}{unit}"


def number(value: float, digits: int = 4) -> str:
    """So many significant digits; whole numbers, and those with more digits before the point, whole, with commas."""
    if math.isfinite(value) and abs(value) < 1e15 and (value == int(value) or abs(value) >= 10 ** (digits - 1)):
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"
