"""The contract between learning and hardware: a real matrix held by physical parameters."""

import cmath
import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict, TypeVar

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from ep_core.cost import Cost

Operator = TypeVar("Operator", bound="WeightOperator")
Inputs = Num[Tensor, "batch in"]
Outputs = Num[Tensor, "batch out"]


class Like(TypedDict):
    """Keywords for torch's factories."""

    dtype: torch.dtype
    device: torch.device


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a write did.

    Attributes:
        pulses: sent to devices that move by pulses; of others, parameters that changed their held value.
        clipped: parameters that met an end of range.
        rounds: of pulses, one after the other; each takes the time of a write.
        reads: that the write itself needed, to see what it did.

    Sums are of operators that write at the same time.

    """

    pulses: int = 0
    clipped: int = 0
    rounds: int = 0
    reads: int = 0

    def __add__(self, other: "Written") -> "Written":
        return Written(
            pulses=self.pulses + other.pulses,
            clipped=self.clipped + other.clipped,
            rounds=max(self.rounds, other.rounds),
            reads=self.reads + other.reads,
        )


class OutOfRangeError(ValueError):
    """A matrix that an operator cannot hold as it is built.

    Attributes:
        factor: by which it exceeds the operator's range.

    """

    def __init__(self, message: str, factor: float) -> None:
        super().__init__(message)
        self.factor = factor


class WeightOperator(nn.Module, ABC):
    """A real matrix W(theta) of shape (out_features, in_features), known only through what its hardware can do.

    Learning uses nothing else: products in both directions, the bilinear gradient, and a write. Static
    imperfections are drawn at construction and kept as buffers; there is no global noise state.

    Attributes:
        symmetric: whether `vmm` is exactly the transpose of `mvm`.
        noisy: whether a read with a generator draws noise from it.
        drifting: whether `age_` changes it.
        blind: whether a write may leave other parameters than it counts on: pulses whose effect nobody reads.

    """

    symmetric: bool
    noisy = False
    drifting = False
    blind = False

    def __init__(self, out_features: int, in_features: int) -> None:
        super().__init__()
        if out_features < 1 or in_features < 1:
            raise ValueError(f"a weight needs at least 1 x 1 entries, not {out_features} x {in_features}")
        self.out_features = out_features
        self.in_features = in_features
        self._kept: dict[bool, tuple[tuple[object, ...], Tensor]] = {}

    @abstractmethod
    def mvm(self, x: Inputs, generator: torch.Generator | None = None) -> Outputs:
        """W x, batch first; differentiable in x and theta; complex x is two reads.

        Read noise is drawn from `generator` only; None reads without noise.
        """

    @abstractmethod
    def vmm(self, y: Outputs, generator: torch.Generator | None = None) -> Inputs:
        """W_b' y: the same hardware used from its other side; W_b = W where `symmetric`."""

    @abstractmethod
    def program_(self, deltas: dict[str, Tensor], generator: torch.Generator | None = None) -> Written:
        """Write theta + delta as well as the device can (range, levels, asymmetry).

        What the write could not represent stays in buffers named `owed_PARAMETER` and is added to the next
        delta. Raises ValueError on a delta that is not finite.
        """

    def program_matrix_(self, target: Float[Tensor, "out in"], generator: torch.Generator | None = None) -> Written:
        """Write theta so that W comes as close to `target` as the device allows.

        Raises OutOfRangeError where the target is beyond what the device holds, ValueError where it has another shape,
        is not finite, or the device cannot be set to a matrix at all.
        """
        raise ValueError(f"{type(self).__name__} cannot be set to a matrix")

    def _check_target(self, target: Tensor) -> None:
        """Raise ValueError for a matrix of another shape, or that is not finite."""
        if tuple(target.shape) != (self.out_features, self.in_features):
            shape = (self.out_features, self.in_features)
            raise ValueError(f"this operator holds a matrix of shape {shape}, not {tuple(target.shape)}")
        require_finite({"matrix": target})

    def age_(self, reads: float, generator: torch.Generator | None = None) -> None:
        """Let the device change as it does in the time of so many reads, one after the other: drift."""

    def learn_(
        self,
        post: Float[Tensor, "batch out"],
        pre: Float[Tensor, "batch in"],
        rate: float,
        generator: torch.Generator | None = None,
    ) -> Written:
        """Write theta - rate d<post' W pre>/dtheta: the local update, which some hardware makes without a gradient.

        The caller has seen to it that post and pre are finite.
        """
        return self.program_({k: -rate * g for k, g in self.bilinear_grad(post, pre).items()}, generator)

    def bilinear_grad(
        self, post: Float[Tensor, "batch out"], pre: Float[Tensor, "batch in"], backward: bool = False
    ) -> dict[str, Tensor]:
        """d<post' W(theta) pre>/dtheta summed over the batch, keyed like `named_parameters()`.

        With `backward`, d<pre' vmm(post)>/dtheta, which is equal where `symmetric`. This default asks autograd
        through the true device, an oracle; operators override it with what their hardware can measure or model.
        """
        names, parameters = zip(*self.named_parameters(), strict=True)
        with torch.enable_grad():
            value = (pre * self.vmm(post)).sum() if backward else (post * self.mvm(pre)).sum()
        slopes = torch.autograd.grad(value, parameters, allow_unused=True, materialize_grads=True)
        return dict(zip(names, slopes, strict=True))

    def cost(self, *, backward: bool = False) -> Cost:
        """Joules, watts, seconds and mm^2 of a read in one direction, a write and holding; ideal weights have none."""
        return Cost()

    @property
    def parts(self) -> object | None:
        """The parts that `cost` counts, with their constants; None of ideal weights."""
        return None

    @property
    def independent(self) -> int:
        """Parameters that learn and can change independently: numbers that an optimiser must keep its state of."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)

    def repriced(self: Operator, change: Callable[[object], object]) -> Operator:
        """Return the same operator, which shares everything, with its parts as `change` makes them: for costs."""
        return self

    def norm_grad(self) -> dict[str, Tensor]:
        """Gradient of 1/2 |W|_F^2 in the parameters, by `bilinear_grad`: what weight decay follows."""
        return self.bilinear_grad(self.matrix().mT, torch.eye(self.in_features, **self.like()))

    def believed(self) -> "WeightOperator":
        """The operator whose gradient `bilinear_grad` returns: itself, or its copy without unknown imperfections."""
        return self

    def _altered(self: Operator, **attributes: object) -> Operator:
        """Return a copy that shares parameters and buffers, with other plain attributes."""
        twin = copy.copy(self)
        for name, value in {"_kept": {}, **attributes}.items():
            setattr(twin, name, value)
        return twin

    @torch.no_grad()
    def matrix(self) -> Float[Tensor, "out in"]:
        """The effective W without read noise, cached until a parameter changes."""
        return self._cached(lambda: self.mvm(torch.eye(self.in_features, **self.like())).mT.contiguous())

    @torch.no_grad()
    def reverse(self) -> Float[Tensor, "out in"]:
        """W_b without read noise: what `vmm` multiplies by."""
        return self.matrix() if self.symmetric else self.vmm(torch.eye(self.out_features, **self.like()))

    def _cached(self, build: Callable[[], Tensor], *, backward: bool = False) -> Tensor:
        key = tuple((p.data_ptr(), p._version, p.dtype) for p in self.parameters())
        if backward not in self._kept or self._kept[backward][0] != key:
            self._kept[backward] = (key, build())
        return self._kept[backward][1]

    def like(self) -> "Like":
        """The dtype and device of the operator's parameters, as keywords for torch's factories."""
        parameter = next(self.parameters())
        return Like(dtype=parameter.dtype, device=parameter.device)

    def extra_repr(self) -> str:
        """Show the shape in `print(operator)`."""
        return f"{self.out_features}, {self.in_features}, symmetric={self.symmetric}"


class SolvedWeight(WeightOperator):
    """An operator whose matrices hardware makes as a whole: solved once, and kept until a parameter changes."""

    @abstractmethod
    def effective(self, backward: bool = False) -> Float[Tensor, "out in"]:
        """W, or W_b if `backward`, differentiable in the parameters."""

    @torch.no_grad()
    def matrix(self) -> Float[Tensor, "out in"]:
        """The effective W, made once for all tiles and kept until a parameter changes."""
        return self._cached(lambda: self.effective().contiguous())

    @torch.no_grad()
    def reverse(self) -> Float[Tensor, "out in"]:
        """W_b, kept likewise."""
        if self.symmetric:
            return self.matrix()
        return self._cached(lambda: self.effective(backward=True).contiguous(), backward=True)


def product(x: Inputs, w: Float[Tensor, "out in"]) -> Outputs:
    """x w' for real or complex x (a complex x is its real and its imaginary read)."""
    return x @ w.to(x.dtype).mT


def require_finite(deltas: dict[str, Tensor]) -> None:
    """Raise ValueError naming the first delta that holds NaN or infinity."""
    for name, delta in deltas.items():
        # A sum shows most quickly that all is well; one that overflows says nothing.
        if not cmath.isfinite(delta.sum().item()) and not torch.isfinite(delta).all():
            raise ValueError(f"the change asked of {name!r} is not finite: nothing was written")
