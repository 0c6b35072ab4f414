"""A field of memristors on tiles: what was drawn for each, how pulses move their states, their conductances."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from electronic_ep.devices import Memristor
from electronic_ep.irdrop import Terminals, Wires

States = Float[Tensor, "pair out in"]
BACK = 0.05  # least ratio of a polar device's conductances in both directions


class Array(nn.Module):
    """Memristors of differential pairs, (pair, out, in): word lines are inputs, bit lines outputs, cut into tiles.

    All tiles have as many lines in use, but for the last one; selectors cut off what has no use.

    States x are the caller's; the static spread is drawn here, once, and kept in buffers.

    Args:
        shape: (out, in). memristor: of all. tile: most lines of a tile.
        wires, terminals: through which pulses come.
        generator: of the spread. dtype: of the buffers.

    """

    rate: Tensor
    dead: Tensor
    excess: Tensor
    nu: Tensor
    since: Tensor

    def __init__(
        self,
        shape: tuple[int, int],
        memristor: Memristor,
        tile: int,
        wires: Wires,
        terminals: Terminals,
        *,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.shape, self.memristor, self.tile = (2, *shape), memristor, tile
        self.wires, self.terminals = wires, terminals

        def normal(*lead: int) -> Tensor:
            return torch.randn(*lead, *self.shape, generator=generator, dtype=torch.float64)

        # Lognormal of mean 1
        sigma = math.sqrt(math.log1p(memristor.device_spread**2))
        self.register_buffer("rate", torch.exp(sigma * normal(2) - sigma**2 / 2).to(dtype))
        self.register_buffer("dead", torch.rand(self.shape, generator=generator, dtype=torch.float64) < memristor.stuck)
        excess = memristor.polarity + memristor.polarity_spread * normal() if memristor.polar else torch.zeros(())
        self.register_buffer("excess", excess.clamp(min=BACK - 1).to(dtype))
        nu = (memristor.drift + memristor.drift_spread * normal()).clamp(min=0) if memristor.drifts else torch.zeros(())
        self.register_buffer("nu", nu.to(dtype))
        self.register_buffer("since", torch.zeros_like(self.nu))

    def drawn(self, x: States, generator: torch.Generator | None) -> States:
        """The states as wished, but stuck devices at one of their own."""
        if not self.memristor.stuck:
            return x
        return torch.where(self.dead, torch.rand(self.shape, generator=generator, dtype=torch.float64).to(x.dtype), x)

    @property
    def kept(self) -> Tensor:
        """Share of its state that each device still has: (1 + t / drift_s)^-nu."""
        return (1 + self.since / self.memristor.drift_s) ** -self.nu

    def microsiemens(self, x: States, *, backward: bool = False) -> States:
        """G [uS] as a read sees it."""
        kind = self.memristor
        g = kind.low_us + kind.span_us * (x * self.kept if kind.drifts else x)
        return g * (1 + self.excess) if backward and kind.polar else g

    @torch.no_grad()
    def pulse_(self, x: States, pulses: States, generator: torch.Generator | None = None) -> int:
        """Send so many pulses to each device, upwards or (negative) downwards; returns how many met an end of range.

        Pulses differ where there is a generator to draw from.
        """
        up, down = pulses.clamp(min=0), (-pulses).clamp(min=0)
        if self.memristor.half_select:
            up, down = self._spilt(up), self._spilt(down)
        touched = ((up + down) > 0) & ~self.dead
        at = touched.flatten().nonzero()[:, 0]
        if not len(at):
            return 0
        rates = self.rate.flatten(1)[:, at]
        if self.memristor.slope_v:
            rates = rates * self._strength(x).flatten()[at]
        start = x.flatten()[at]
        if self.memristor.drifts:
            start = self._renewed(x, at)
        sent = torch.stack([up.flatten()[at], down.flatten()[at]])
        if self.memristor.cycle_spread and generator is not None:
            drawn = torch.randn(sent.shape, generator=generator, dtype=sent.dtype)
            sent = sent + self.memristor.cycle_spread * sent.sqrt() * drawn
        held = self.memristor.response.moved(start, *(rates * sent)).clamp(0, 1)
        x.view(-1)[at] = held
        return int(((held == 0) | (held == 1)).sum())

    def _renewed(self, x: States, at: Tensor) -> Tensor:
        """States from which faded devices start; a pulse sets their clock to 0."""
        faded = (x * self.kept).flatten()[at]
        self.since.view(-1)[at] = 0
        return faded

    def _spilt(self, pulses: States) -> States:
        """What reaches every device when the other devices of its two lines get half of the voltage."""
        blocks = self.blocks(pulses, 0.0)
        lines = blocks.sum(-1, keepdim=True) + blocks.sum(-2, keepdim=True) - 2 * blocks
        return self.whole((blocks + self.memristor.half_select * lines).mT)

    def _strength(self, x: States) -> States:
        """e^-(V lost / slope): what is left of a pulse behind the wires to its device and its terminals.

        The device alone draws current: word line from its driver, bit line to its end.
        """
        blocks = self.blocks(self.microsiemens(x), self.memristor.low_us)
        rows, cols = blocks.shape[-2:]
        along = torch.arange(1, cols + 1, dtype=x.dtype, device=x.device)
        down = torch.arange(rows, 0, -1, dtype=x.dtype, device=x.device)[:, None]
        ohm = self.terminals.word_drive + self.terminals.bit_sense + self.wires.word * along + self.wires.bit * down
        lost = 1 - 1 / (1 + 1e-6 * blocks * ohm)
        return self.whole(torch.exp(-self.memristor.write_v / self.memristor.slope_v * lost).mT)

    @property
    def counts(self) -> tuple[int, int]:
        """Tiles along the outputs and along the inputs."""
        return -(-self.shape[1] // self.tile), -(-self.shape[2] // self.tile)

    @property
    def lines(self) -> tuple[int, int]:
        """Bit and word lines of a tile that are in use."""
        return -(-self.shape[1] // self.counts[0]), -(-self.shape[2] // self.counts[1])

    def blocks(self, values: States, fill: float) -> Float[Tensor, "pair up across rows cols"]:
        """One block a tile, word lines as rows; what the last tiles lack is `fill`."""
        (up, across), (cols, rows) = self.counts, self.lines
        _, out, n = self.shape
        padded = nn.functional.pad(values, (0, across * rows - n, 0, up * cols - out), value=fill)
        return padded.unflatten(1, (up, cols)).unflatten(3, (across, rows)).permute(0, 1, 3, 4, 2)

    def whole(self, blocks: Float[Tensor, "pair up across cols rows"]) -> States:
        """Put the tiles' matrices together again."""
        joined = blocks.permute(0, 1, 3, 2, 4).flatten(3).flatten(1, 2)
        return joined[:, : self.shape[1], : self.shape[2]]

    def symmetry(self, pulses: int = 1000) -> States:
        """States at which pulses up and down cancel, found as on a chip: by so many in turn, from the middle."""
        x, one = torch.full(self.shape, 0.5, dtype=self.rate.dtype, device=self.rate.device), torch.ones(())
        for _ in range(pulses):
            x = self.memristor.response.moved(x, self.rate[0] * one, self.rate[1] * one)
        return x
