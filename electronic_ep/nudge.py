"""EP's nudge as a current: sources that add to what the output neurons sense."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from electronic_ep.cost import DAC
from ep_core.cost import Cost
from ep_core.nudge import Law, Mode
from ep_core.parts import Converter


@dataclass(frozen=True, kw_only=True)
class CurrentNudge:
    """A current source beside each output's line, of a current -beta dC/ds in units of what a drive of 1 is.

    Ideal limit (no bits, no noise, within the range): exactly -beta dC/ds.

    Attributes:
        ceiling: largest current of either sign. bits: of its converter over -ceiling .. ceiling; None = continuous.
        noise: standard deviation of what the source adds in every read.
        mode: 'closed' follows the state, 'frozen' is set once from the free state.
        converter: that makes the current; its bits are not counted, those above are.

    Raises ValueError for a ceiling that is not positive, bits beyond 2 .. 16, noise below 0.

    """

    ceiling: float = 1.0
    bits: int | None = None
    noise: float = 0.0
    mode: Mode = "frozen"
    converter: Converter = DAC

    def __post_init__(self) -> None:
        if not 0 < self.ceiling < math.inf:
            raise ValueError(f"the nudge's ceiling must be a positive current, not {self.ceiling}")
        if self.bits is not None and not 2 <= self.bits <= 16:
            raise ValueError(f"a nudge of both signs takes 2 to 16 bits (or none), not {self.bits}")
        if not 0 <= self.noise < math.inf:
            raise ValueError(f"the nudge's noise must be finite and not negative, not {self.noise}")

    @property
    def _step(self) -> float:
        """Distance of two currents; 0 where all are possible."""
        return 0.0 if self.bits is None else self.ceiling / (2 ** (self.bits - 1) - 1)

    @property
    def law(self) -> Law:
        """`emit` and `act` in numbers."""
        return Law(curve=(self.ceiling, self._step, 1.0, 0.0), variances=(self.noise**2, 0.0, 0.0))

    def emit(self, wanted: Float[Tensor, "batch k"]) -> Float[Tensor, "batch k"]:
        """The current as the converter makes it: 2^bits - 1 levels, of which 0 is one."""
        current = wanted.clamp(-self.ceiling, self.ceiling)
        if self.bits is None:
            return current
        return self._step * torch.round(current / self._step)

    def act(self, setting: Float[Tensor, "batch k"], generator: torch.Generator | None) -> Float[Tensor, "batch k"]:
        """The current with the noise of one read."""
        if generator is None or not self.noise:
            return setting
        return setting + self.noise * torch.randn(setting.shape, generator=generator, dtype=setting.dtype)

    def cost(self, outputs: int) -> Cost:
        """A converter an output; it works while the others do."""
        part = self.converter.part()
        own = replace(part, seconds=0.0)
        return Cost(read={"nudge": own.times(outputs)})
