"""A weight matrix held by memristors: W x read along the word lines, W' y along the bit lines of the same crossbar."""

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from electronic_ep.array import Array
from electronic_ep.cost import Periphery
from electronic_ep.devices import LinearStep, Memristor
from electronic_ep.irdrop import Terminals, Wires, effective, local_rule
from electronic_ep.programming import Fast, MixedPrecision, Programming, Site, WriteVerify
from ep_core.cost import Cost
from ep_core.weight import Inputs, OutOfRangeError, Outputs, SolvedWeight, Written, product, require_finite

HEADROOM = 8.0  # the range lets a weight grow to this multiple of the first weights' standard deviation
FAR = 1e6  # a change of a state that no device can follow
CUT = 1e-9  # conductance of a cell behind a closed selector over the smallest of a device: as good as none
IDEAL = Memristor(low_us=1.0, high_us=100.0, response=LinearStep.of(16))
Gradient = Callable[["CrossbarWeight", Outputs, Inputs, bool], Tensor]


def outer(weight: "CrossbarWeight", post: Outputs, pre: Inputs, backward: bool) -> Tensor:  # noqa: ARG001
    """What a chip can know: W = top (x+ - x-), whatever wires do; d<post' W pre>/dx+- = +- top post pre'."""
    slope = weight.top * (post.mT @ pre)
    return torch.stack([slope, -slope])


def oracle(weight: "CrossbarWeight", post: Outputs, pre: Inputs, backward: bool) -> Tensor:
    """The true gradient by the local rule: voltage across each device driven by pre, times that driven by post."""
    slope = weight.local(post, pre, backward) * weight.per_us * weight.memristor.span_us
    kind = weight.memristor
    if backward and kind.polar:
        slope = slope * (1 + weight.array.excess)
    slope = slope * weight.array.kept if kind.drifts else slope
    return torch.stack([slope[0], -slope[1]])


class CrossbarWeight(SolvedWeight):
    """Differential pairs of memristors: W = (G+ - G-) / G0, read in both directions through wires and terminals.

    Word lines are inputs, bit lines outputs. Positive and negative devices lie on tiles of their own; a line's currents
    of all tiles, the negative ones turned, are added before one converter. Ohmic cells behind shared terminals are
    reciprocal, whatever the wires: `symmetric`. Terminals that drive and sense through other resistances break it, and
    devices that conduct more in one direction.

    One parameter, `state` (2, out, in): x from 0 to 1 of the positive and of the negative devices,
    G = G_min + x (G_max - G_min). It starts around the middle of the range, where pulses of both directions are alike.

    Args:
        out_features, in_features: shape of W.
        memristor: kind of device. programming: how changes become pulses.
        tile: most lines of a tile. wires, terminals: resistances; default none, which makes tiles not matter.
        top: largest weight that a pair can hold, G+ at its end and G- at the other; default 8 std.
        std: standard deviation of the first weights; default .5 / sqrt(in_features).
        gradient: how `bilinear_grad` reaches the states: outer or oracle.
        periphery: the parts that `cost` counts.
        generator: of first weights and of the devices' spread. dtype: of the states; wires are always solved in double.

    """

    owed_state: Tensor

    def __init__(
        self,
        out_features: int,
        in_features: int,
        *,
        memristor: Memristor = IDEAL,
        programming: Programming | None = None,
        tile: int = 64,
        wires: Wires | None = None,
        terminals: Terminals | None = None,
        top: float | None = None,
        std: float | None = None,
        gradient: Gradient = outer,
        periphery: Periphery | None = None,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(out_features, in_features)
        if tile < 1:
            raise ValueError(f"a tile needs at least one line, not {tile}")
        scale = 0.5 / in_features**0.5 if std is None else std
        self.top = HEADROOM * scale if top is None else top
        if not 0 <= scale < math.inf:
            raise ValueError(f"the first weights' standard deviation must be finite and not negative, not {scale}")
        if not 0 < self.top < math.inf:
            raise ValueError(f"the largest weight must be positive and finite, not {self.top}")
        if self.top < 3 * scale:
            factor = 3 * scale / self.top
            raise ValueError(
                f"three standard deviations of the first weights are {factor:.3g} times the largest weight"
            )
        self.memristor, self.gradient = memristor, gradient
        self.programming = MixedPrecision() if programming is None else programming
        self.wires = Wires(word=0.0, bit=0.0) if wires is None else wires
        self.terminals = Terminals() if terminals is None else terminals
        self.periphery = Periphery() if periphery is None else periphery
        self.ideal = False  # the model that `outer` differentiates
        self.array = Array(
            (out_features, in_features), memristor, tile, self.wires, self.terminals, generator=generator, dtype=dtype
        )
        draw = scale * torch.randn(out_features, in_features, generator=generator, dtype=torch.float64)
        self.state = nn.Parameter(self.array.drawn(self._split(draw.clamp(-self.top, self.top)).to(dtype), generator))
        self.register_buffer("owed_state", torch.zeros_like(self.state.detach()))
        self.beside = self.programming.beside(self.array, generator)

    def _split(self, matrix: Float[Tensor, "out in"]) -> Float[Tensor, "pair out in"]:
        """States around the middle whose difference is the matrix."""
        half = matrix / (2 * self.top)
        return torch.stack([0.5 + half, 0.5 - half])

    @property
    def symmetric(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether both directions see the same matrix."""
        return self.ideal or (self.terminals.symmetric and not self.memristor.polar)

    @property
    def noisy(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether reads with a generator draw noise."""
        return bool(self.memristor.read_noise)

    @property
    def drifting(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether states fade."""
        return self.memristor.drifts

    @property
    def blind(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether a write may leave other states than it counts on."""
        verified = isinstance(self.programming, WriteVerify) and not self.memristor.read_noise
        kind = self.memristor
        counted = isinstance(self.programming, MixedPrecision) and kind.exact and not (kind.stuck or kind.drifts)
        return not (verified or counted)

    @property
    def per_us(self) -> float:
        """Weight of a microsiemens, 1 / G0."""
        return self.top / self.memristor.span_us

    @property
    def bare(self) -> bool:
        """Whether lines are mere nodes: no resistance of wires or terminals."""
        return not (self.wires.word or any(vars(self.terminals).values()))

    def effective(self, backward: bool = False) -> Float[Tensor, "out in"]:
        """W, or W_b if `backward`: the tiles' currents per volt over G0, differentiable in the states."""
        if self.ideal or (self.bare and not self.memristor.drifts and not self.memristor.polar):
            return self.top * (self.state[0] - self.state[1])
        g = self.array.microsiemens(self.state, backward=backward)
        if not self.bare:
            tiles = effective(self._siemens(g), self.wires, self.terminals, backward=backward)
            g = self.array.whole(1e6 * tiles).to(self.state.dtype)
        return self.per_us * (g[0] - g[1])

    def _siemens(self, g: Float[Tensor, "pair out in"]) -> Float[Tensor, "pair up across rows cols"]:
        """Conductances of all cells [S] in double precision; what the last tiles lack is cut off."""
        return 1e-6 * self.array.blocks(g.double(), CUT * self.memristor.low_us)

    @torch.no_grad()
    def tile_siemens(self, row: int = 0, column: int = 0) -> Float[Tensor, "pair rows cols"]:
        """Conductances of the positive and of the negative devices of one tile [S], word lines (inputs) first.

        `row` counts tiles along the outputs, `column` along the inputs; lines that the last ones lack are cut off.
        """
        return self._siemens(self.array.microsiemens(self.state))[:, row, column]

    @torch.no_grad()
    def local(self, post: Outputs, pre: Inputs, backward: bool) -> Float[Tensor, "pair out in"]:
        """d<post' G_eff pre>/dG of every device, by `irdrop.local_rule`; of what serves `vmm` if `backward`."""
        if self.bare:
            return (post.mT @ pre).expand(2, -1, -1)
        if len(pre) > self.in_features:
            # The same sum over fewer rows: post' pre = (post' pre) I
            post, pre = pre.mT @ post, torch.eye(self.in_features, **self.like())
        g = self._siemens(self.array.microsiemens(self.state, backward=backward))
        (up, across), (cols, rows) = self.array.counts, self.array.lines
        words = _lines(pre, across, rows)[None, None].expand(2, up, -1, -1, -1)
        bits = _lines(post, up, cols)[None, :, None].expand(2, -1, across, -1, -1)
        slopes = local_rule(g, words, bits, self.wires, self.terminals, backward=backward)
        return self.array.whole(slopes.mT).to(self.state.dtype)

    def mvm(self, x: Inputs, generator: torch.Generator | None = None) -> Outputs:
        """W x: word lines driven, bit lines sensed."""
        w = self.effective() if torch.is_grad_enabled() else self.matrix()
        return self._noised(product(x, w), x, self._spread(generator), generator)

    def vmm(self, y: Outputs, generator: torch.Generator | None = None) -> Inputs:
        """W_b' y: bit lines driven, word lines sensed."""
        w = self.effective(backward=not self.symmetric) if torch.is_grad_enabled() else self.reverse()
        spread = self._spread(generator, backward=True)
        return self._noised(product(y, w.mT), y, None if spread is None else spread.mT, generator)

    @torch.no_grad()
    def _spread(self, generator: torch.Generator | None, *, backward: bool = False) -> Float[Tensor, "out in"] | None:
        """Variance of each weight in a read; wires are left out of it."""
        if generator is None or not self.noisy:
            return None
        g = self.array.microsiemens(self.state, backward=backward)
        return (self.memristor.read_noise * self.per_us * g).square().sum(0)

    def _noised(self, clean: Tensor, x: Tensor, spread: Tensor | None, generator: torch.Generator | None) -> Tensor:
        """Every device of every sample draws its own noise: N(0, spread x^2) in sum; complex states are two reads."""
        if spread is None:
            return clean
        if x.is_complex():
            parts = [self._noised(c, own, spread, generator) for c, own in ((clean.real, x.real), (clean.imag, x.imag))]
            return torch.complex(*parts)
        drawn = torch.randn(clean.shape, generator=generator, dtype=clean.dtype)
        return clean + (x.detach().square() @ spread.mT).sqrt() * drawn

    def believed(self) -> "CrossbarWeight":
        """Return the operator that `bilinear_grad` differentiates: W = top (x+ - x-) under `outer`."""
        return self._altered(ideal=True) if self.gradient is outer else self

    def bilinear_grad(
        self, post: Float[Tensor, "batch out"], pre: Float[Tensor, "batch in"], backward: bool = False
    ) -> dict[str, Tensor]:
        """By `gradient`."""
        return {"state": self.gradient(self, post, pre, backward)}

    @torch.no_grad()
    def age_(self, reads: float, generator: torch.Generator | None = None) -> None:
        """Let the states fade in the time of so many reads."""
        if not self.drifting:
            return
        seconds = reads * self.cost().total("read").seconds
        for array in self.modules():
            if isinstance(array, Array):
                array.since += seconds
        self._kept = {}

    @torch.no_grad()
    def program_(self, deltas: dict[str, Tensor], generator: torch.Generator | None = None) -> Written:
        """Send pulses, as `programming` makes them of the changes."""
        require_finite(deltas)
        if deltas["state"].shape != self.state.shape:
            raise ValueError(f"states have the shape {tuple(self.state.shape)}, not {tuple(deltas['state'].shape)}")
        # Beyond that every device is at its end, and counts of pulses would overflow
        delta = deltas["state"].to(self.state.dtype).clamp(-FAR, FAR)
        return self.programming.write_(self._site(generator), delta)

    def _site(self, generator: torch.Generator | None) -> Site:
        """What schemes write on."""
        return Site(
            array=self.array, x=self.state.detach(), owed=self.owed_state, generator=generator, beside=self.beside
        )

    @torch.no_grad()
    def program_matrix_(self, target: Float[Tensor, "out in"], generator: torch.Generator | None = None) -> Written:
        """Write states whose differences are the target, each verified by reads; wires are not made good for.

        Raises OutOfRangeError where the target is beyond the range, ValueError where it has another shape or is not
        finite.
        """
        self._check_target(target)
        factor = float(target.abs().max()) / self.top
        if factor > 1:
            raise OutOfRangeError(
                f"weights are up to {factor:.3g} times the largest that the conductances hold, {self.top:g}", factor
            )
        self.owed_state.zero_()
        delta = self._split(target.to(self.state.dtype)) - self.state
        scheme = WriteVerify(rounds=100)
        site = self._site(generator)
        written = scheme.write_(site, delta)
        if isinstance(self.beside, Fast):
            # Changes that fast devices still hold are of the old weights
            fast = self.beside
            away = fast.reference - fast.x
            spare = replace(site, array=fast.array, x=fast.x, owed=torch.zeros_like(away))
            written += scheme.write_(spare, away)
        self.owed_state.zero_()
        return written

    @property
    def _alike(self) -> bool:
        """Whether both devices of a pair are always asked for opposite changes."""
        return self.gradient is outer and isinstance(self.programming, MixedPrecision)

    @property
    def independent(self) -> int:
        """States that learn; a pair whose devices change alike is one."""
        return super().independent // (2 if self._alike else 1)

    @property
    def parts(self) -> Periphery:
        """The machine's parts."""
        return self.periphery

    def repriced(self, change: Callable[[object], object]) -> "CrossbarWeight":
        """The same memristors among other parts."""
        return self._altered(periphery=change(self.periphery))

    @torch.no_grad()
    def cost(self, *, backward: bool = False) -> Cost:
        """Joules, watts, seconds and mm^2 of a read, a pulse, an update and holding.

        Every line of the operator has a converter of each kind at its end. A read takes DAC, array, ADC and logic in
        turn; the lines of a tile are written one after the other, those of all tiles at once. Under `outer` and mixed
        precision both devices of a pair owe the same, so that they share a word of the accumulator.
        """
        up, across = self.array.counts
        cells = up * across * self.array.tile**2
        g = self.array.microsiemens(self.state, backward=backward).double()
        ends = (self.out_features, self.in_features) if backward else (self.in_features, self.out_features)
        own = self.programming.words * g.numel() // (2 if self._alike else 1)
        fast = 1 if self.beside is None else 3
        return self.periphery.cost(
            driven=ends[0],
            sensed=ends[1],
            siemens=1e-6 * float(g.sum()),
            cells=2 * cells * fast,
            rows=self.array.lines[1],
            words=own,
        )


def _lines(values: Float[Tensor, "batch n"], count: int, lines: int) -> Float[Tensor, "tiles batch lines"]:
    """Voltages of each tile's lines; those that the last one lacks are at ground."""
    padded = nn.functional.pad(values.double(), (0, count * lines - values.shape[1]))
    return padded.unflatten(1, (count, lines)).transpose(0, 1)
