"""The sweeps of the commonest network, compiled: one hidden layer of hard sigmoids, up to 64 outputs, ideal nudge.

Sample by sample, so that its state and the weights stay in the core's first cache; the free phase and the nudged ones
that start from it are one call. The same dynamics as `solvers.GaussSeidel`, which serves every other network.
"""

from collections.abc import Sequence

import numpy as np
from torch import Tensor
from torch.nn.functional import pad

from ep_core.activation import HardSigmoid
from ep_core.compiled import compiled
from ep_core.edge import Edge
from ep_core.network import Network
from ep_core.solvers import GaussSeidel, Solver

FIVE = 5  # rows of W that one pass over a hidden state takes: more run out of registers
WIDEST = 64  # outputs up to which the weights stay in the first cache; wider products are torch's
EDGES = [Edge(pre=0, post=1), Edge(pre=1, post=2)]


def fits(network: Network, solvers: Sequence[Solver], like: Tensor) -> bool:
    """Whether the compiled sweeps are those of this network and of these solvers, in the precision of `like`."""
    return (
        network.sizes[-1] <= WIDEST
        and like.device.type == "cpu"
        and not like.is_complex()
        and all(type(solver) is GaussSeidel and solver.damping == 1 for solver in solvers)
        and network.readout is None
        and network.edges == EDGES
        and all(type(a) is HardSigmoid and a.bits is None and not a.noise for a in network.activations)
        and network.operators[1].symmetric
        and not network.operators[1].noisy
    )


class Phases:
    """A free phase, and phases from its end that are pulled by -beta (s - y), one a strength.

    Attributes:
        hidden, output, residual, count: of the free phase, then of each pulled one; count is in sweeps.

    """

    def __init__(
        self,
        network: Network,
        constant: Sequence[Tensor],
        solvers: Sequence[Solver],
        *,
        start: Sequence[Tensor] | None = None,
        strengths: Sequence[float] = (),
        target: Tensor | None = None,
        frozen: bool = False,
    ) -> None:
        drive, bias = constant[0].contiguous(), constant[1]
        batch, outputs = bias.shape
        spare = -outputs % FIVE
        rows, wide = batch * (1 + len(strengths)), outputs + spare
        self.batch, number = batch, drive.numpy().dtype.type
        self.hidden, self.output = drive.new_empty(rows, drive.shape[1]), drive.new_empty(rows, wide)
        self.residual, self.count = drive.new_empty(rows), np.empty(rows, np.int64)
        for own, given in zip((self.hidden, self.output), (None, None) if start is None else start, strict=True):
            own[:batch] = 0
            if given is not None:
                own[:batch, : given.shape[1]] = given
        weight, bias = network.operators[1].matrix(), bias
        if spare:
            weight, bias = pad(weight, (0, 0, 0, spare)), pad(bias, (0, spare))
        wanted = bias if target is None else pad(target, (0, spare)) if spare else target.contiguous()
        boxes = np.array([(a.low, a.high) for a in network.activations], dtype=number)
        steps = np.array([solver.steps for solver in solvers])
        _run(
            weight.contiguous().numpy(),
            drive.numpy(),
            bias.numpy(),
            wanted.numpy(),
            np.array(strengths, dtype=number),
            frozen,
            boxes,
            steps,
            np.array([solver.tolerance for solver in solvers], dtype=number),
            self.hidden.numpy(),
            self.output.numpy(),
            self.residual.numpy(),
            self.count,
        )
        if spare:
            self.output = self.output[:, :outputs].contiguous()


@compiled
def _feed(w, first, o, c, u):  # noqa: ANN001, ANN202
    """u = c + five rows of W' o."""
    a, b, d, e, f = o[first], o[first + 1], o[first + 2], o[first + 3], o[first + 4]
    wa, wb, wd, we, wf = w[first], w[first + 1], w[first + 2], w[first + 3], w[first + 4]
    for j in range(len(u)):
        u[j] = c[j] + (a * wa[j] + b * wb[j] + d * wd[j] + e * we[j] + f * wf[j])


@compiled
def _settle(w, first, o, c, low, high, tolerance, s):  # noqa: ANN001, ANN202
    """s <- clip(c + five rows of W' o, low, high); returns by how much moves exceed the tolerance, summed up."""
    a, b, d, e, f = o[first], o[first + 1], o[first + 2], o[first + 3], o[first + 4]
    wa, wb, wd, we, wf = w[first], w[first + 1], w[first + 2], w[first + 3], w[first + 4]
    none = s.dtype.type(0)
    beyond = none
    for j in range(len(s)):
        u = c[j] + (a * wa[j] + b * wb[j] + d * wd[j] + e * we[j] + f * wf[j])
        u = low if u < low else u
        u = high if u > high else u
        over = abs(u - s[j]) - tolerance
        beyond += over if over > none else none
        s[j] = u
    return beyond


@compiled
def _read(w, first, h, v):  # noqa: ANN001, ANN202
    """v += five rows of W h."""
    wa, wb, wd, we, wf = w[first], w[first + 1], w[first + 2], w[first + 3], w[first + 4]
    a = b = d = e = f = h.dtype.type(0)
    for j in range(len(h)):
        a += wa[j] * h[j]
        b += wb[j] * h[j]
        d += wd[j] * h[j]
        e += we[j] * h[j]
        f += wf[j] * h[j]
    v[first] += a
    v[first + 1] += b
    v[first + 2] += d
    v[first + 3] += e
    v[first + 4] += f


@compiled
def _gap(u, low, high, s):  # noqa: ANN001, ANN202
    """Largest |clip(u, low, high) - s|; NaN if a drive is."""
    gap, all_of_it = s.dtype.type(0), s.dtype.type(0)
    for j in range(len(u)):
        all_of_it += u[j]
    for j in range(len(u)):
        away = abs(min(max(u[j], low), high) - s[j])
        gap = away if away > gap else gap
    return gap + all_of_it * s.dtype.type(0)


@compiled
def _sweep(w, c, p, stiffness, h, o, u, v, boxes, steps, tolerance):  # noqa: ANN001, ANN202
    """Sweeps of one sample until it moves by no more than the tolerance; returns how many, and its residual."""
    last, none, taken = len(w) - FIVE, o.dtype.type(0), 0
    for _ in range(steps):
        taken += 1
        drive = c
        for first in range(0, last, FIVE):
            _feed(w, first, o, drive, u)
            drive = u
        beyond = _settle(w, last, o, drive, boxes[0, 0], boxes[0, 1], tolerance, h)
        for k in range(len(v)):
            v[k] = p[k] - stiffness * o[k]
        for first in range(0, len(w), FIVE):
            _read(w, first, h, v)
        for k in range(len(v)):
            new = min(max(v[k], boxes[1, 0]), boxes[1, 1])
            over = abs(new - o[k]) - tolerance
            beyond += over if over > none else none
            # v becomes the drive at the new output, of which a nudge that follows the state depends
            v[k] += stiffness * (o[k] - new)
            o[k] = new
        if beyond <= none:
            break
    drive = c
    for first in range(0, len(w), FIVE):
        _feed(w, first, o, drive, u)
        drive = u
    return taken, max(_gap(u, boxes[0, 0], boxes[0, 1], h), _gap(v, boxes[1, 0], boxes[1, 1], o))


@compiled
def _run(w, drive, bias, target, strengths, frozen, boxes, steps, tolerances, hidden, output, residual, count):  # noqa: ANN001, ANN202
    """Each sample's free phase, then its pulled ones from there. Outputs come in fives, spare ones being 0."""
    batch = len(drive)
    u, v, p = np.empty_like(hidden[0]), np.empty_like(output[0]), np.empty_like(output[0])
    for sample in range(batch):
        c, b, y, free = drive[sample], bias[sample], target[sample], output[sample]
        count[sample], residual[sample] = _sweep(
            w, c, b, p.dtype.type(0), hidden[sample], free, u, v, boxes, steps[0], tolerances[0]
        )
        for phase in range(len(strengths)):
            row, beta = sample + (1 + phase) * batch, strengths[phase]
            hidden[row] = hidden[sample]
            output[row] = free
            # force = -beta (s - y), of the free state where it is frozen
            for k in range(len(p)):
                p[k] = b[k] + beta * (y[k] - free[k] if frozen else y[k])
            stiffness = p.dtype.type(0) if frozen else beta
            count[row], residual[row] = _sweep(
                w, c, p, stiffness, hidden[row], output[row], u, v, boxes, steps[1], tolerances[1]
            )
