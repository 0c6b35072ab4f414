"""How layers move one after the other in sweeps that nobody watches: in place, with as few calls of torch as can be."""

import torch

from ep_core.activation import HardSigmoid
from ep_core.nudge import Force, IdealNudge, Pull
from ep_core.phase import Move, Phase

THIN = 64  # columns below which libraries are up to three times as fast at the transpose of a product with more rows


def moves(phase: Phase) -> list[Move]:
    """Return what moves each layer of a sweep in turn: s_l <- rho(u_l + force), in the memory of the last move."""
    return [_planned(phase, layer) or _general(phase, layer) for layer in phase.order]


def _general(phase: Phase, layer: int) -> Move:
    def move() -> None:
        phase.state[layer] = phase.target(layer)

    return move


def _planned(phase: Phase, layer: int) -> Move | None:
    """Return the move of a layer of hard sigmoids with one or two neighbours, and the ideal pull at most."""
    neurons, state = phase.network.activations[layer], phase.state
    terms = [] if phase.terms is None else phase.terms[layer]
    if not terms or any(len(others) > 1 or layer in others for others, _ in terms):
        return None
    if type(neurons) is not HardSigmoid or neurons.bits is not None or (neurons.noise and phase.generator is not None):
        return None
    drive, pull = phase.constant[layer], None
    if phase.force is not None and not (isinstance(phase.force, Pull) and layer < phase.network.layers - 1):
        pull = _ideal(phase.force)
        if pull is None:
            return None
        drive = drive + pull.beta * pull.target if pull.setting is None else drive + pull.setting
    following = None if pull is None or pull.setting is not None else -pull.beta

    (batch, width), low, high = state[layer].shape, neurons.low, neurons.high
    (first, matrix), *others = [(seen[0], matrix) for seen, matrix in terms]
    flat = width < THIN < batch
    memory = drive.new_empty((width, batch) if flat else (batch, width))
    room, matrix = (memory.mT, matrix.mT) if flat else (memory, matrix.contiguous() if width < THIN else matrix)
    given = drive.mT if flat else drive
    pulled = None if following is None else torch.empty_like(room)

    def move() -> None:
        start = given
        if pulled is not None and following is not None:
            start = torch.addcmul(drive, following, state[layer], out=pulled)
            start = start.mT if flat else start
        if flat:
            torch.addmm(start, matrix, state[first].mT, out=memory)
        else:
            torch.addmm(start, state[first], matrix, out=memory)
        for other, more in others:
            room.addmm_(state[other], more)
        memory.clamp_(low, high)
        state[layer] = room

    return move


def _ideal(force: Force) -> Pull | None:
    """Return the force, if it is what is wanted, at once or of the state."""
    if not (isinstance(force, Pull) and type(force.nudge) is IdealNudge and force.lawful):
        return None
    return force
