"""The sweeps of the commonest network, compiled: one hidden layer of hard sigmoids, up to 64 outputs, ideal nudge.

Two samples at a time, so that states and weights stay in the core's first cache and registers; the free phase and the
nudged ones that start from it are one call. The dynamics are those of `solvers.GaussSeidel`, which serves all other
networks.
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
def _feed(w, first, o, u):  # noqa: ANN001, ANN202
    """u += five rows of W' o; in place, because loops over arrays that overlap are not vectorised."""
    a, b, d, e, f = o[first], o[first + 1], o[first + 2], o[first + 3], o[first + 4]
    wa, wb, wd, we, wf = w[first], w[first + 1], w[first + 2], w[first + 3], w[first + 4]
    for j in range(len(u)):
        u[j] += a * wa[j] + b * wb[j] + d * wd[j] + e * we[j] + f * wf[j]


@compiled
def _feed_two(w, first, o, u, p, v):  # noqa: ANN001, ANN202
    """`_feed` of two samples, which share what is read of W: u += W' o, v += W' p."""
    oa, ob, oc, od, oe = o[first], o[first + 1], o[first + 2], o[first + 3], o[first + 4]
    pa, pb, pc, pd, pe = p[first], p[first + 1], p[first + 2], p[first + 3], p[first + 4]
    wa, wb, wc, wd, we = w[first], w[first + 1], w[first + 2], w[first + 3], w[first + 4]
    for j in range(len(u)):
        u[j] += oa * wa[j] + ob * wb[j] + oc * wc[j] + od * wd[j] + oe * we[j]
        v[j] += pa * wa[j] + pb * wb[j] + pc * wc[j] + pd * wd[j] + pe * we[j]


@compiled
def _clip(u, low, high, tolerance, s):  # noqa: ANN001, ANN202
    """s <- clip(u, low, high); returns by how much moves exceed the tolerance, summed up."""
    none = s.dtype.type(0)
    beyond = none
    for j in range(len(s)):
        new = low if u[j] < low else u[j]
        new = high if new > high else new
        over = abs(new - s[j]) - tolerance
        beyond += over if over > none else none
        s[j] = new
    return beyond


@compiled
def _read(w, first, h, v):  # noqa: ANN001, ANN202
    """v += five rows of W h."""
    wa, wb, wc, wd, we = w[first], w[first + 1], w[first + 2], w[first + 3], w[first + 4]
    a = b = c = d = e = h.dtype.type(0)
    for j in range(len(h)):
        a += wa[j] * h[j]
        b += wb[j] * h[j]
        c += wc[j] * h[j]
        d += wd[j] * h[j]
        e += we[j] * h[j]
    v[first] += a
    v[first + 1] += b
    v[first + 2] += c
    v[first + 3] += d
    v[first + 4] += e


@compiled
def _read_two(w, first, h, v, g, z):  # noqa: ANN001, ANN202
    """`_read` of two samples: v += W h, z += W g."""
    wa, wb, wc, wd, we = w[first], w[first + 1], w[first + 2], w[first + 3], w[first + 4]
    a = b = c = d = e = h.dtype.type(0)
    k = m = n = p = q = h.dtype.type(0)
    for j in range(len(h)):
        a += wa[j] * h[j]
        b += wb[j] * h[j]
        c += wc[j] * h[j]
        d += wd[j] * h[j]
        e += we[j] * h[j]
        k += wa[j] * g[j]
        m += wb[j] * g[j]
        n += wc[j] * g[j]
        p += wd[j] * g[j]
        q += we[j] * g[j]
    v[first] += a
    v[first + 1] += b
    v[first + 2] += c
    v[first + 3] += d
    v[first + 4] += e
    z[first] += k
    z[first + 1] += m
    z[first + 2] += n
    z[first + 3] += p
    z[first + 4] += q


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
def _answer(v, stiffness, low, high, tolerance, o):  # noqa: ANN001, ANN202
    """o <- clip(v, low, high) as `_clip`; v becomes the drive at the new output: a nudge that follows depends on it."""
    beyond = o.dtype.type(0)
    for k in range(len(v)):
        old = o[k]
        o[k] = min(max(v[k], low), high)
        over = abs(o[k] - old) - tolerance
        beyond += over if over > 0 else o.dtype.type(0)
        v[k] += stiffness * (old - o[k])
    return beyond


@compiled
def _start(pull, stiffness, o, v):  # noqa: ANN001, ANN202
    for k in range(len(v)):
        v[k] = pull[k] - stiffness * o[k]


@compiled
def _one(w, c, pull, stiffness, h, o, u, v, boxes, steps, tolerance):  # noqa: ANN001, ANN202
    """Sweeps of one sample until it moves by no more than the tolerance; returns how many."""
    for step in range(steps):
        u[:] = c
        for first in range(0, len(w), FIVE):
            _feed(w, first, o, u)
        beyond = _clip(u, boxes[0, 0], boxes[0, 1], tolerance, h)
        _start(pull, stiffness, o, v)
        for first in range(0, len(w), FIVE):
            _read(w, first, h, v)
        beyond += _answer(v, stiffness, boxes[1, 0], boxes[1, 1], tolerance, o)
        if beyond <= 0:
            return step + 1
    return steps


@compiled
def _pair(w, drive, pull, stiffness, hidden, output, i, j, u, v, boxes, steps, tolerance):  # noqa: ANN001, ANN202
    """Sweeps of rows i and i + 1 (samples j and j + 1) together until one arrives; how many, and which are done."""
    for step in range(steps):
        u[0], u[1] = drive[j], drive[j + 1]
        for first in range(0, len(w), FIVE):
            _feed_two(w, first, output[i], u[0], output[i + 1], u[1])
        one = _clip(u[0], boxes[0, 0], boxes[0, 1], tolerance, hidden[i])
        two = _clip(u[1], boxes[0, 0], boxes[0, 1], tolerance, hidden[i + 1])
        _start(pull[j], stiffness, output[i], v[0])
        _start(pull[j + 1], stiffness, output[i + 1], v[1])
        for first in range(0, len(w), FIVE):
            _read_two(w, first, hidden[i], v[0], hidden[i + 1], v[1])
        one += _answer(v[0], stiffness, boxes[1, 0], boxes[1, 1], tolerance, output[i])
        two += _answer(v[1], stiffness, boxes[1, 0], boxes[1, 1], tolerance, output[i + 1])
        if one <= 0 or two <= 0:
            return step + 1, one <= 0, two <= 0
    return steps, True, True


@compiled
def _phase(w, drive, pull, stiffness, hidden, output, residual, count, begin, boxes, steps, tolerance):  # noqa: ANN001, ANN202
    """Relax the rows from `begin` on, one a sample, two at a time; then their synchronous residuals."""
    batch = len(drive)
    u, v = np.empty((2, hidden.shape[1]), hidden.dtype), np.empty((2, output.shape[1]), output.dtype)
    for j in range(0, batch, 2):
        i, taken = begin + j, 0
        done = np.zeros(2, np.bool_)
        if j + 1 < batch:
            taken, done[0], done[1] = _pair(
                w, drive, pull, stiffness, hidden, output, i, j, u, v, boxes, steps, tolerance
            )
        for k in range(min(2, batch - j)):
            h, o, c, row = hidden[i + k], output[i + k], drive[j + k], i + k
            count[row] = taken
            if not done[k]:
                count[row] += _one(w, c, pull[j + k], stiffness, h, o, u[k], v[k], boxes, steps - taken, tolerance)
            u[k] = c
            for first in range(0, len(w), FIVE):
                _feed(w, first, o, u[k])
            gap = _gap(u[k], boxes[0, 0], boxes[0, 1], h)
            residual[row] = max(gap, _gap(v[k], boxes[1, 0], boxes[1, 1], o))


@compiled
def _run(w, drive, bias, target, strengths, frozen, boxes, steps, tolerances, hidden, output, residual, count):  # noqa: ANN001, ANN202
    """Run the free phase, then the pulled ones from its end. Outputs come in fives, spare ones being 0."""
    batch, none = len(drive), output.dtype.type(0)
    _phase(w, drive, bias, none, hidden, output, residual, count, 0, boxes, steps[0], tolerances[0])
    pull = np.empty((batch, output.shape[1]), output.dtype)
    for phase in range(len(strengths)):
        begin, beta = (1 + phase) * batch, strengths[phase]
        for j in range(batch):
            hidden[begin + j] = hidden[j]
            output[begin + j] = output[j]
            # force = -beta (s - y), of the free state where it is frozen
            for k in range(output.shape[1]):
                pull[j, k] = bias[j, k] + beta * (target[j, k] - output[j, k] if frozen else target[j, k])
        stiffness = none if frozen else beta
        _phase(w, drive, pull, stiffness, hidden, output, residual, count, begin, boxes, steps[1], tolerances[1])
