"""The digital reference: int8 weights in SRAM beside an array of multiply-adders, with its constants and costs."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ep_core.cost import Cost, Part
from ep_core.parts import ACCUMULATOR, ENGINE, LOGIC_S, NEURON_PJ, Accumulator, Engine, require
from ep_core.quantity import Quantity, sources
from ep_core.weight import Inputs, OutOfRangeError, Outputs, WeightOperator, Written, product, require_finite

LEVELS = 127  # of either sign


@dataclass(frozen=True, kw_only=True)
class Accelerator:
    """All parts of an int8 accelerator.

    Attributes:
        engine: multiply-adds; contrasts are made by the same. sram_pj: a byte out of the memory, or into it [pJ].
        reuse: samples for which a weight is fetched once.
        bit_um2: a bit of memory with its share of the periphery [um^2]. leak_uw_kb: of 1,024 bytes that hold [uW].
        logic_s, neuron_pj: a neuron, its state read and written [s, pJ].
        accumulator: a word of what int8 cannot represent of the weights.

    """

    engine: Engine = ENGINE
    sram_pj: float = Quantity(
        10 / 8, 0.1, 2.5, unit="pJ", source="8 kB, 45 nm, Horowitz, ISSCC 2014 (B); range assumed"
    )
    reuse: float = Quantity(16.0, 256.0, 1.0, unit="1", source="assumed")
    bit_um2: float = Quantity(0.5, 0.05, 1.0, unit="um^2", source="assumed")
    leak_uw_kb: float = Quantity(10.0, 1.0, 100.0, unit="uW", source="assumed")
    logic_s: float = LOGIC_S
    neuron_pj: float = NEURON_PJ
    accumulator: Accumulator = ACCUMULATOR

    def __post_init__(self) -> None:
        require(self, "sram_pj", "reuse", "bit_um2")
        require(self, "leak_uw_kb", "logic_s", "neuron_pj", zero=True)

    @property
    def state_bits(self) -> int:
        """Bits of a neuron's state."""
        return 8

    def cost(self, *, driven: int, sensed: int) -> Cost:
        """Of an operator: a read makes every multiply-add, and fetches every weight once in `reuse` samples."""
        weights = driven * sensed
        fetched = 1e-12 * self.sram_pj * weights / self.reuse
        read = {
            "multiply": self.engine.part(int8=weights),
            "memory": Part(joules=fetched, source=sources(self, "sram_pj", "reuse")),
            "neuron": Part(
                joules=1e-12 * self.neuron_pj * sensed,
                seconds=self.logic_s,
                source=sources(self, "logic_s", "neuron_pj"),
            ),
        }
        held = Part(
            watts=1e-6 * self.leak_uw_kb * weights / 1024,
            area=8e-6 * self.bit_um2 * weights,
            source=sources(self, "leak_uw_kb", "bit_um2"),
        )
        return Cost(
            read=read,
            contrast={"contrast": self.engine.part(int8=weights, kept=driven + sensed)},
            write={"memory": Part(joules=1e-12 * self.sram_pj, source=sources(self, "sram_pj"))},
            update={"accumulator": self.accumulator.part(weights)},
            hold={"memory": held},
        )


class DigitalWeight(WeightOperator):
    """W = step times whole numbers from -127 to 127, exact in both directions; what writes cannot represent is owed.

    Args:
        out_features, in_features: shape of W.
        top: largest weight, 127 steps; default 8 `std`.
        std: standard deviation of the first weights; default .5 / sqrt(in_features).
        accelerator: the machine around it.
        generator: source of the first weights.
        dtype: of the simulation.

    Raises ValueError for a largest weight that is not positive.

    """

    symmetric = True
    owed_weight: Tensor

    def __init__(
        self,
        out_features: int,
        in_features: int,
        *,
        top: float | None = None,
        std: float | None = None,
        accelerator: Accelerator | None = None,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(out_features, in_features)
        scale = 0.5 / in_features**0.5 if std is None else std
        self.top = 8 * scale if top is None else top
        if not self.top > 0:
            raise ValueError(f"the largest weight must be positive, not {self.top}")
        self.accelerator = Accelerator() if accelerator is None else accelerator
        drawn = (scale * torch.randn(out_features, in_features, generator=generator, dtype=torch.float64)).to(dtype)
        self.weight = nn.Parameter(torch.zeros_like(drawn))
        self.register_buffer("owed_weight", torch.zeros_like(drawn))
        self.program_({"weight": drawn})

    @property
    def step(self) -> float:
        """Distance of two weights."""
        return self.top / LEVELS

    def mvm(self, x: Inputs, generator: torch.Generator | None = None) -> Outputs:
        """W x."""
        return product(x, self.weight)

    def vmm(self, y: Outputs, generator: torch.Generator | None = None) -> Inputs:
        """W' y."""
        return product(y, self.weight.mT)

    @torch.no_grad()
    def bilinear_grad(
        self, post: Float[Tensor, "batch out"], pre: Float[Tensor, "batch in"], backward: bool = False
    ) -> dict[str, Tensor]:
        """Return the outer product: d<post' W pre>/dW = post pre'."""
        return {"weight": post.mT @ pre}

    @torch.no_grad()
    def program_(self, deltas: dict[str, Tensor], generator: torch.Generator | None = None) -> Written:
        """owed += delta; W moves by the whole steps of it, within its range."""
        require_finite(deltas)
        wanted = self.weight + self.owed_weight + deltas["weight"]
        inside = wanted.clamp(-self.top, self.top)
        level = self.step * torch.round(inside / self.step)
        pulses = int(torch.count_nonzero(level != self.weight))
        # Beyond the range nothing is owed: the weight would stay there long after the gradient has turned.
        self.owed_weight.copy_(inside - level)
        self.weight.copy_(level)
        clipped = int(torch.count_nonzero(wanted != inside))
        return Written(pulses=pulses, clipped=clipped, rounds=1 if pulses else 0)

    @torch.no_grad()
    def program_matrix_(self, target: Float[Tensor, "out in"], generator: torch.Generator | None = None) -> Written:
        """Round to the nearest steps; what is lost is not owed.

        Raises OutOfRangeError where the target is beyond 127 steps, ValueError as all operators do.
        """
        self._check_target(target)
        factor = float(target.abs().max()) / self.top
        if factor > 1:
            raise OutOfRangeError(f"weights are up to {factor:.3g} times the largest of int8, {self.top:g}", factor)
        self.owed_weight.zero_()
        written = self.program_({"weight": target.to(self.weight.dtype) - self.weight})
        self.owed_weight.zero_()
        return written

    @property
    def parts(self) -> Accelerator:
        """The machine's parts."""
        return self.accelerator

    def repriced(self, change: Callable[[object], object]) -> "DigitalWeight":
        """The same weights on a machine of other parts."""
        return self._altered(accelerator=change(self.accelerator))

    def cost(self, *, backward: bool = False) -> Cost:
        """Joules, watts, seconds and mm^2 of a read, a contrast, a write, an update and holding."""
        ends = (self.out_features, self.in_features) if backward else (self.in_features, self.out_features)
        return self.accelerator.cost(driven=ends[0], sensed=ends[1])
