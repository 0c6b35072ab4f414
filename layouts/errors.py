"""Errors that one chip is known to have, as settings of the parts of its mask."""

from collections.abc import Mapping

Errors = dict[str, dict[str, float]]


def known_errors(seen: Mapping[str, Mapping[str, float]], held: Mapping[str, float]) -> Errors:
    """Settings of couplers and heaters, by their place on the mask, with which it is the chip that `seen` describes.

    Args:
        seen: settings of every MZI, attenuator and output phase as light meets them, of `MeshWeight.tile_settings`.
        held: phase that every heater holds, by its name. What light meets beyond that is an error of that heater.

    """
    result: Errors = {}
    for instance, own in seen.items():
        place = f"core.{instance}"
        if "phase" in own:
            result[f"{place}.heater"] = {"offset": own["phase"] - held[f"{instance}.phase"]}
            continue
        result[f"{place}.join_in"] = {"delta": own.get("delta_in", 0.0)}
        result[f"{place}.join_out"] = {"delta": own.get("delta_out", 0.0), "loss_dB": own.get("loss_dB", 0.0)}
        for arm in ("theta",) if instance.startswith("att_") else ("theta", "phi"):
            error = own[arm] - held[f"{instance}.{arm}"]
            result[f"{place}.{arm}.heater"] = {"offset": error, "loss_dB": own.get(f"{arm}_loss_dB", 0.0)}
    return result
