"""How the cost pulls on the output: the protocol that hardware nudges follow, the ideal one, and a phase's pull."""

import math
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor

from ep_core.cost import Cost
from ep_core.loss import Loss, SquaredError
from ep_core.network import Network, State

Mode = Literal["closed", "frozen"]


@dataclass(frozen=True, kw_only=True)
class Law:
    """What hardware makes of a wanted force f, in numbers that compiled sweeps can go by: r+ P+ - r- P-.

    P+- = leak + kept [clip(+-f, 0, ceiling) to the nearest multiple of step], with noise of the variance
    v0 + v1 (p+ + p-) + v2 (p+^2 + p-^2), p = r P.

    Attributes:
        curve: ceiling, step (0: none), kept, leak. variances: v0, v1, v2. responses: r+ and r-, of each output or all.

    """

    curve: tuple[float, float, float, float] = (math.inf, 0.0, 1.0, 0.0)
    variances: tuple[float, float, float] = (0.0, 0.0, 0.0)
    responses: Float[Tensor, "*k 2"] = field(default_factory=lambda: torch.ones(2))


@runtime_checkable
class Nudge(Protocol):
    """A force -beta dC/ds on the last layer of neurons, as hardware can make it.

    `mode` says when it is set: 'closed' follows the state in every sweep, 'frozen' is set once from the free
    state. Setting and acting are two steps because a frozen setting still acts with fresh noise in each read.
    """

    @property
    def mode(self) -> Mode:
        """When the nudge is set."""
        ...

    @property
    def law(self) -> Law | None:
        """What `emit` and `act` come to, for compiled sweeps; None where they have to be asked themselves."""
        ...

    def emit(self, wanted: Float[Tensor, "batch k"]) -> Tensor:
        """Set the hardware for a wanted force: what its converters and its range make of it."""
        ...

    def act(self, setting: Tensor, generator: torch.Generator | None) -> Float[Tensor, "batch k"]:
        """Return the force that this setting exerts during one read."""
        ...

    def cost(self, outputs: int) -> Cost:
        """Joules, watts, seconds and mm^2 of nudging so many outputs during one read."""
        ...


@dataclass(frozen=True, kw_only=True)
class IdealNudge:
    """The force is exactly what is wanted."""

    mode: Mode = "closed"

    @property
    def law(self) -> Law:
        """Every force is what is wanted."""
        return Law()

    def emit(self, wanted: Num[Tensor, "batch k"]) -> Tensor:
        """Return the wanted force itself."""
        return wanted

    def act(self, setting: Tensor, generator: torch.Generator | None) -> Num[Tensor, "batch k"]:
        """Return the setting itself."""
        return setting

    def cost(self, outputs: int) -> Cost:
        """Nothing: it is no hardware."""
        return Cost()


@runtime_checkable
class Force(Protocol):
    """What a phase adds to the drives; None where nothing."""

    def __call__(self, layer: int, state: list[Tensor], generator: torch.Generator | None) -> Tensor | None:
        """Return the force on `layer` (0 = first hidden layer). Keep no state: sweeps use its memory again."""
        ...

    def take(self, keep: Int[Tensor, " kept"]) -> "Force":
        """Return the same force on some of the samples."""
        ...


@dataclass(frozen=True, kw_only=True)
class Pull:
    """The nudge of a phase, by hardware: -beta dC/ds on the last layer of neurons.

    Attributes:
        beta: strength of each row (rows, 1); target: (rows, k).
        setting: of a frozen nudge; None where it follows the state.
        reads: products of a row with the read-out in every sweep.

    """

    network: Network
    loss: Loss
    nudge: Nudge
    beta: Num[Tensor, "rows 1"]
    target: Float[Tensor, "rows k"]
    setting: Tensor | None = None

    @property
    def reads(self) -> int:
        """Products of a row with the read-out in every sweep: up and down, unless there is none or it is frozen."""
        return 0 if self.network.readout is None or self.setting is not None else 2

    @property
    def lawful(self) -> bool:
        """Whether compiled sweeps can make it: it is set once, or follows a linear slope by a law."""
        if self.setting is not None:
            return True
        linear = type(self.loss) is SquaredError and self.network.readout is None
        return linear and self.nudge.law is not None and not self.beta.is_complex()

    def wanted(self, state: State | list[Tensor], generator: torch.Generator | None = None) -> Tensor:
        """-beta dC/ds at a state."""
        slope = self.loss.gradient(self.network.output(state, generator), self.target)
        return -self.beta * self.network.pull(slope, state, generator)

    def freeze(self, free: State) -> "Pull":
        """Set the nudge once, from the free state, if that is its mode."""
        return replace(self, setting=self.nudge.emit(self.wanted(free))) if self.nudge.mode == "frozen" else self

    def __call__(self, layer: int, state: list[Tensor], generator: torch.Generator | None) -> Tensor | None:
        """Return the force on the last layer of neurons."""
        if layer != self.network.layers - 1:
            return None
        setting = self.nudge.emit(self.wanted(state, generator)) if self.setting is None else self.setting
        return self.nudge.act(setting, generator)

    def drawn(self, sweeps: int, generator: torch.Generator | None) -> Float[Tensor, "reads rows k"]:
        """Forces of a frozen nudge in so many sweeps, each with its own noise, and one more without."""
        assert self.setting is not None
        every = self.setting.repeat(sweeps, *(1 for _ in self.setting.shape[1:]))
        noisy = self.nudge.act(every, generator).unflatten(0, (sweeps, -1))
        return torch.cat([noisy, self.nudge.act(self.setting, None)[None]])

    def take(self, keep: Int[Tensor, " kept"]) -> "Pull":
        """Return the nudge of some of the rows."""
        setting = None if self.setting is None else self.setting[keep]
        return replace(self, beta=self.beta[keep], target=self.target[keep], setting=setting)
