"""One tile's light for a test sample in the free and in the nudged phase: what the nudge changes inside the mesh."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from ep_core.edge import Edge
from ep_core.loss import one_hot
from experiments.common.machines import Machine
from experiments.common.pictures_mesh import ports
from photonic_ep import MeshWeight

Amplitudes = Float[np.ndarray, "modes stages"]


@dataclass(frozen=True, kw_only=True)
class Phases:
    """Light in one tile.

    Attributes:
        layer, tile: which; tile (row, column). free, nudged: |E| of every mode at every stage [full scale].
        stages: names of those, in the order in which light meets them. label: class of the sample.
        beta: strength of the nudge. outputs: of the neuron of that class, free and nudged.

    """

    layer: str
    tile: tuple[int, int]
    free: Amplitudes
    nudged: Amplitudes
    stages: list[str]
    label: int
    beta: float
    outputs: tuple[float, float]


def phases(machine: Machine, sample: int = 0) -> Phases | str:
    """Relax a test sample free and nudged, and look at the tile of the last mesh that hidden neurons light most.

    Returns in words why there is nothing to see: no nudge, no hidden neurons.
    """
    job, network = machine.job, machine.job.network
    last = max((e for e in network.edges if type(e) is Edge and e.post == len(network.sizes) - 1), key=lambda e: e.pre)
    if last.pre == 0:
        return "The network has no hidden neurons: light enters its mesh from the input alone, the same in both phases."
    x, labels = job.data.test.x[sample : sample + 1], job.data.test.labels[sample : sample + 1]
    target, label = one_hot(labels, job.data.classes, x.dtype), int(labels[0])
    found = job.estimator(network, x, target, torch.Generator().manual_seed(job.options.seed))
    if found.nudged is None:
        return f"The light is not shown: --estimator {job.options.estimator} has no nudged phase."
    operator = network.operators[network.edges.index(last)]
    assert isinstance(operator, MeshWeight)
    states = [part.state[last.pre - 1][0].detach().real for part in (found.free, found.nudged)]
    column = int(ports(operator, states[0]).square().sum(1).argmax())
    light = [torch.stack(operator.light(ports(operator, s)[column], column)).abs().T.numpy() for s in states]
    return Phases(
        layer=f"layer {last.pre} to {last.post}",
        tile=(0, column),
        free=light[0],
        nudged=light[1],
        stages=stages(operator),
        label=label,
        beta=float(job.options.beta),
        outputs=(float(found.free.output[0, label].real), float(found.nudged.output[0, label].real)),
    )


def stages(operator: MeshWeight) -> list[str]:
    """Names of the places that `MeshWeight.light` looks at."""
    columns = range(1, len(operator.topology.columns) + 1)
    return ["in", *[f"V{n}" for n in columns], "a", *[f"U{n}" for n in columns], "out"]
