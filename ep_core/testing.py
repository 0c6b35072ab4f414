"""The conformance suite of the contract, and the nasty operator on which the suite is first proven."""

import copy
import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ep_core.weight import Inputs, Outputs, WeightOperator, Written, product, require_finite


class NastyWeight(WeightOperator):
    """Everything that hardware does wrong, in one small operator.

    W = sin(theta + crosstalk theta_left + offset), theta on a grid of `step` with an accumulator and clipped to
    +-1; backward reads see a W_b of their own; the controller does not know the crosstalk; reads are noisy.
    """

    symmetric = False
    noisy = True
    offset: Tensor
    mismatch: Tensor
    owed_theta: Tensor

    def __init__(self, out_features: int, in_features: int, *, generator: torch.Generator, step: float = 0.05) -> None:
        super().__init__(out_features, in_features)
        shape = (out_features, in_features)
        self.step, self.crosstalk, self.read_noise = step, 0.1, 0.01
        self.register_buffer("offset", 0.1 * torch.randn(shape, generator=generator, dtype=torch.float64))
        self.register_buffer("mismatch", 1 + 0.2 * torch.randn(shape, generator=generator, dtype=torch.float64))
        self.register_buffer("owed_theta", torch.zeros(shape, dtype=torch.float64))
        self.theta = nn.Parameter(torch.zeros(shape, dtype=torch.float64))
        self.program_({"theta": 0.5 * torch.randn(shape, generator=generator, dtype=torch.float64)})

    def _weights(self) -> Float[Tensor, "out in"]:
        return torch.sin(self.theta + self.crosstalk * self.theta.roll(1, dims=1) + self.offset)

    def _read(self, clean: Tensor, generator: torch.Generator | None) -> Tensor:
        if generator is None:
            return clean
        return clean + self.read_noise * torch.randn(clean.shape, generator=generator, dtype=clean.dtype)

    def mvm(self, x: Inputs, generator: torch.Generator | None = None) -> Outputs:
        """W x with read noise."""
        return self._read(product(x, self._weights()), generator)

    def vmm(self, y: Outputs, generator: torch.Generator | None = None) -> Inputs:
        """W_b' y: the backward direction has gains of its own."""
        return self._read(product(y, (self._weights() * self.mismatch).mT), generator)

    def believed(self) -> "NastyWeight":
        """Return the same device without its crosstalk."""
        return self._altered(crosstalk=0.0)

    def bilinear_grad(
        self, post: Float[Tensor, "batch out"], pre: Float[Tensor, "batch in"], backward: bool = False
    ) -> dict[str, Tensor]:
        """Return the gradient of the believed device."""
        return WeightOperator.bilinear_grad(self.believed(), post, pre, backward)

    @torch.no_grad()
    def program_(self, deltas: dict[str, Tensor], generator: torch.Generator | None = None) -> Written:
        """Round to the grid, clip to +-1, owe the rounding."""
        require_finite(deltas)
        wanted = self.theta + self.owed_theta + deltas["theta"]
        inside = wanted.clamp(-1, 1)
        held = self.step * torch.round(inside / self.step)
        pulses = int(torch.count_nonzero(held != self.theta))
        self.owed_theta.copy_(inside - held)
        self.theta.copy_(held)
        return Written(pulses=pulses, clipped=int(torch.count_nonzero(wanted != inside)))


def check_operator(operator: WeightOperator, *, seed: int = 0, small: float = 1e-3) -> None:
    """Assert that `operator` (float64) keeps the contract; AssertionError names the clause that fails.

    Checked: shapes, linearity and complex reads; `matrix` and its cache; symmetry if and only if declared;
    `bilinear_grad` against finite differences of `believed()` in both directions; autograd through the true
    device; determinism given a generator; writes that add up although each is `small` (blind ones go where they
    were asked to, by their cosine); bad deltas refused; costs with sources; state_dict.
    """
    source = torch.Generator().manual_seed(seed)
    assert next(operator.parameters()).dtype == torch.float64, "the suite needs a float64 operator"
    _check_reads(operator, source)
    _check_symmetry(operator)
    for backward in (False, True):
        _check_gradient(operator, source, backward)
    _check_determinism(operator, source)
    _check_cost(operator)
    _check_writes(operator, source, small)
    _check_state(operator, source)


def _normal(source: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=source, dtype=torch.float64)


def _close(a: Tensor, b: Tensor, clause: str, tolerance: float = 1e-10) -> None:
    error = float(((a - b).abs().max() / b.abs().max().clamp(min=1e-300)).detach())
    assert error <= tolerance, f"{clause}: relative error {error:.1e} exceeds {tolerance:.0e}"


def _check_reads(operator: WeightOperator, source: torch.Generator) -> None:
    for read, inputs, outputs in (
        (operator.mvm, operator.in_features, operator.out_features),
        (operator.vmm, operator.out_features, operator.in_features),
    ):
        x, z = _normal(source, 3, inputs), _normal(source, 3, inputs)
        assert read(x).shape == (3, outputs), f"{read.__name__} has the wrong shape"
        _close(read(2 * x - 3 * z), 2 * read(x) - 3 * read(z), f"{read.__name__} is not linear")
        _close(read(torch.complex(x, z)), torch.complex(read(x), read(z)), f"complex {read.__name__}")
    x = _normal(source, 3, operator.in_features)
    _close(operator.mvm(x), x @ operator.matrix().mT, "matrix() is not the matrix of mvm")


def _check_symmetry(operator: WeightOperator) -> None:
    with torch.no_grad():
        backward = operator.vmm(torch.eye(operator.out_features, dtype=torch.float64))
    same = torch.allclose(backward, operator.matrix(), rtol=1e-9, atol=1e-12)
    assert same == operator.symmetric, f"symmetric is {operator.symmetric}, but vmm is the transpose: {same}"


def _bilinear(operator: WeightOperator, post: Tensor, pre: Tensor, backward: bool) -> Tensor:
    return (pre * operator.vmm(post)).sum() if backward else (post * operator.mvm(pre)).sum()


def _check_gradient(operator: WeightOperator, source: torch.Generator, backward: bool) -> None:
    post, pre = _normal(source, 3, operator.out_features), _normal(source, 3, operator.in_features)
    believed, names = operator.believed(), dict(operator.named_parameters()).keys()
    claimed = operator.bilinear_grad(post, pre, backward)
    assert claimed.keys() == names, f"bilinear_grad has keys {sorted(claimed)}, not {sorted(names)}"
    parameters = list(operator.parameters())
    value = _bilinear(operator, post, pre, backward)
    true = torch.autograd.grad(value, parameters, allow_unused=True, materialize_grads=True)
    for _ in range(3):
        direction = {name: _normal(source, *p.shape) for name, p in operator.named_parameters()}
        for gradient, device, clause in (
            (claimed.values(), believed, "bilinear_grad against finite differences of believed()"),
            (true, operator, "autograd through the true device against finite differences"),
        ):
            slope = sum((g * d).sum() for g, d in zip(gradient, direction.values(), strict=True))
            difference = _difference(operator, device, direction, post, pre, backward)
            scale = sum(float(g.norm() ** 2) for g in gradient) ** 0.5
            error = abs(float(slope) - difference) / scale
            assert error <= 1e-7, f"{clause} (backward={backward}): {error:.1e} exceeds 1e-7"


@torch.no_grad()
def _difference(
    holder: WeightOperator, device: WeightOperator, direction: dict[str, Tensor], post: Tensor, pre: Tensor, back: bool
) -> float:
    """Central difference along `direction`, moving the parameters by hand: no write, no rounding."""
    values, h = [], 1e-5
    saved = {name: p.clone() for name, p in holder.named_parameters()}
    for sign in (1, -1):
        for name, p in holder.named_parameters():
            p.copy_(saved[name] + sign * h * direction[name])
        values.append(float(_bilinear(device, post, pre, back)))
    for name, p in holder.named_parameters():
        p.copy_(saved[name])
    return (values[0] - values[1]) / (2 * h)


def _check_determinism(operator: WeightOperator, source: torch.Generator) -> None:
    x = _normal(source, 4, operator.in_features)
    assert torch.equal(operator.mvm(x), operator.mvm(x)), "a read without a generator is not repeatable"
    state = torch.random.get_rng_state()
    first, second = (operator.mvm(x, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, second), "the same generator gives another read"
    same = torch.equal(first, operator.mvm(x))
    assert same != operator.noisy, f"noisy is {operator.noisy}, but a read with a generator is as one without: {same}"
    assert torch.equal(state, torch.random.get_rng_state()), "a read touched the global random state"


def _check_cost(operator: WeightOperator) -> None:
    for backward in (False, True):
        cost = operator.cost(backward=backward)
        assert not cost.parts or cost.total("read").seconds > 0, "a read by hardware takes time"
        assert all(part.source for part in cost.parts.values()), "a part's cost has no source"


def _check_writes(operator: WeightOperator, source: torch.Generator, small: float) -> None:
    start = {name: p.detach().clone() for name, p in operator.named_parameters()}
    owed = {name: _owed(operator, name) for name in start}
    pushes = {name: small * torch.sign(_normal(source, *p.shape)) for name, p in start.items()}
    count, total = 40, Written()
    for _ in range(count):
        total += operator.program_(pushes, source)
    assert total.pulses > 0, f"{count} writes report {total}"
    for name, p in operator.named_parameters():
        moved = p.detach() + _owed(operator, name) - start[name] - owed[name]
        if operator.blind:
            asked = pushes[name]
            agree = float((moved * asked).sum() / (moved.norm() * asked.norm()).clamp(min=1e-300))
            assert agree > 0.3, f"{count} writes moved {name} elsewhere than asked: their cosine is {agree:.2f}"
            continue
        # A periodic parameter may have wrapped; a clipped one may have stopped early.
        moved = torch.remainder(moved + math.pi, 2 * math.pi) - math.pi
        off = int(((moved - count * pushes[name]).abs() > 1e-9).sum())
        assert off <= total.clipped, f"{off} entries of {name} lost part of {count} small writes"
    fresh = operator.mvm(torch.eye(operator.in_features, dtype=torch.float64)).detach().mT
    _close(operator.matrix(), fresh, "matrix() is stale after a write")
    _check_refusal(operator)


def _owed(operator: WeightOperator, name: str) -> Tensor:
    buffers = dict(operator.named_buffers())
    return buffers.get("owed_" + name, torch.zeros(())).clone()


def _check_refusal(operator: WeightOperator) -> None:
    bad = {name: torch.full_like(p, float("nan")) for name, p in operator.named_parameters()}
    before = operator.matrix().clone()
    try:
        operator.program_(bad)
    except ValueError:
        assert torch.equal(before, operator.matrix()), "a refused write changed the device"
        return
    raise AssertionError("a NaN delta was written")


def _check_state(operator: WeightOperator, source: torch.Generator) -> None:
    saved, before = copy.deepcopy(operator.state_dict()), operator.matrix().clone()
    operator.program_({name: 0.3 * _normal(source, *p.shape) for name, p in operator.named_parameters()}, source)
    assert not torch.equal(before, operator.matrix()), "a large write changed nothing"
    operator.load_state_dict(saved)
    assert torch.equal(before, operator.matrix()), "state_dict does not hold the device"
