"""Convolutions with pooling as edges: one weight operator, read at every position of an image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Num
from torch import Tensor
from torch.nn.functional import max_pool2d, pad
from torch.utils.weak import WeakIdKeyDictionary

from ep_core.edge import Edge, Post, Pre
from ep_core.weight import WeightOperator, Written

Planes = Num[Tensor, "batch channels rows cols"]

# Where max pooling chose when a state was last read: the way back needs it, and so does the gradient.
CHOICES = WeakIdKeyDictionary()


def _moment(operator: WeightOperator, state: Tensor) -> tuple[object, ...]:
    """What a choice depends on."""
    return id(operator), state._version, *((id(p), p._version) for p in operator.parameters())


@dataclass(frozen=True, kw_only=True)
class Convolution(Edge):
    """E -= s_post . P(W * s_pre): the operator (channels, C k k) sees every k x k patch, pooling P thins the result.

    States are images, flattened with the channel last: pre (height, width, C), post (height', width', channels).
    Backwards, P' sends s_post to the place that pooling chose at the present s_pre (max) or to all of them (mean);
    that is the derivative of the same term of the energy. Every position is a read of the operator.

    Attributes:
        image: (height, width, C) of layer pre. channels: of layer post; they share one bias each.
        kernel: k. padding: zeros around the image. pool: side of the pooled squares; 1 = none.
        pooling: 'max' or 'mean'.

    """

    image: tuple[int, int, int]
    channels: int  # pyright: ignore[reportGeneralTypeIssues, reportIncompatibleVariableOverride]
    kernel: int
    padding: int = 0
    pool: int = 1
    pooling: Literal["max", "mean"] = "max"

    def __post_init__(self) -> None:
        numbers = (*self.image, self.channels, self.kernel, self.pool)
        if len(self.image) != 3 or min(numbers) < 1 or self.padding < 0:
            raise ValueError(f"image, channels, kernel and pool must be positive and padding not negative: {self}")
        height, width = self.positions
        if height < 1 or width < 1:
            raise ValueError(f"a kernel of {self.kernel} does not fit {self.image} padded by {self.padding}")
        if height % self.pool or width % self.pool:
            raise ValueError(f"{height} x {width} positions do not fall into squares of pool {self.pool}")

    @property
    def positions(self) -> tuple[int, int]:
        """Patches (down, across)."""
        return self._span(0), self._span(1)

    def _span(self, axis: int) -> int:
        return self.image[axis] + 2 * self.padding - self.kernel + 1

    @property
    def pooled(self) -> tuple[int, int, int]:
        """(height', width', channels) of layer post."""
        height, width = self.positions
        return height // self.pool, width // self.pool, self.channels

    @property
    def reads(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Every position is a product of its own."""
        height, width = self.positions
        return height * width

    @property
    def holomorphic(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Only without a choice of the largest."""
        return self.linear

    @property
    def linear(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Only without a choice of the largest."""
        return self.pool == 1 or self.pooling == "mean"

    def shape(self, sizes: Sequence[int]) -> tuple[int, int]:
        """(channels, C k k)."""
        for layer, image in ((self.pre, self.image), (self.post, self.pooled)):
            wanted = image[0] * image[1] * image[2]
            if sizes[layer] != wanted:
                raise ValueError(f"layer {layer} is an image of {image}: {wanted} neurons, not {sizes[layer]}")
        return self.channels, self.image[2] * self.kernel**2

    def up(self, operator: WeightOperator, pre: Pre, generator: torch.Generator | None = None) -> Post:
        """P(W * s_pre)."""
        pooled, chosen = self._pool(self._products(operator, pre, generator))
        if chosen is not None and not torch.is_grad_enabled():
            CHOICES[pre] = (_moment(operator, pre), chosen)
        return self._last(pooled)

    def down(self, operator: WeightOperator, post: Post, at: Pre, generator: torch.Generator | None = None) -> Pre:
        """W' * P' s_post, P at the state `at`."""
        patches = operator.vmm(self._spread(operator, post, at), generator)
        height, width = self.positions
        patches = patches.view(len(post), height, width, self.kernel, self.kernel, self.image[2])
        tall, wide = (side + 2 * self.padding for side in self.image[:2])
        whole = patches.new_zeros(len(post), tall, wide, self.image[2])
        for row in range(self.kernel):
            for col in range(self.kernel):
                whole[:, row : row + height, col : col + width] += patches[:, :, :, row, col]
        edge = self.padding
        return whole[:, edge : tall - edge, edge : wide - edge].flatten(1)

    def gradient(
        self, operator: WeightOperator, post: Post, pre: Pre, *, at: Pre | None = None, backward: bool = False
    ) -> dict[str, Tensor]:
        """Sum over the positions too."""
        spread = self._spread(operator, post, pre if at is None else at)
        return operator.bilinear_grad(spread, self._patches(pre), backward)

    def learn_(
        self, operator: WeightOperator, post: Post, pre: Pre, rate: float, generator: torch.Generator | None = None
    ) -> Written:
        """Step the operator down the sum over the positions too."""
        return operator.learn_(self._spread(operator, post, pre), self._patches(pre), rate, generator)

    def _patches(self, pre: Pre) -> Num[Tensor, "reads weights"]:
        """Every k x k patch as a row, (row, column, channel) flattened."""
        image = pad(pre.view(-1, *self.image), (0, 0, *(self.padding,) * 4)).contiguous()
        batch, down, across, channel = image.stride()
        shape = (len(image), *self.positions, self.kernel, self.kernel, self.image[2])
        windows = image.as_strided(shape, (batch, down, across, down, across, channel))
        return windows.reshape(-1, shape[-1] * self.kernel**2)

    def _products(self, operator: WeightOperator, pre: Pre, generator: torch.Generator | None = None) -> Planes:
        """W * s_pre at every position, channel first in shape, last in memory."""
        rows = operator.mvm(self._patches(pre), generator)
        return rows.view(len(pre), *self.positions, self.channels).permute(0, 3, 1, 2)

    def _pool(self, planes: Planes) -> tuple[Tensor, Tensor | None]:
        """P, and where it chose."""
        if self.pool == 1:
            return planes, None
        if self.pooling == "mean":
            return planes.unflatten(3, (-1, self.pool)).unflatten(2, (-1, self.pool)).mean((3, 5)), None
        return max_pool2d(planes, self.pool, return_indices=True)

    def _spread(self, operator: WeightOperator, post: Post, at: Pre) -> Num[Tensor, "reads channels"]:
        """P' s_post, a row a position."""
        if self.pool == 1:
            return post.reshape(-1, self.channels)
        if self.pooling == "mean":
            image = post.view(len(post), *self.pooled) / self.pool**2
            return image.repeat_interleave(self.pool, 1).repeat_interleave(self.pool, 2).view(-1, self.channels)
        moment, chosen = CHOICES.get(at) or (None, None)
        if moment != _moment(operator, at):
            chosen = self._pool(self._products(operator, at))[1]
        rows = post.new_zeros(len(post), self.reads, self.channels)
        places = chosen.permute(0, 2, 3, 1).flatten(1, 2)  # pyright: ignore[reportOptionalMemberAccess]
        return rows.scatter_(1, places, post.view(len(post), -1, self.channels)).view(-1, self.channels)

    def _last(self, planes: Planes) -> Post:
        """Flatten, the channel last."""
        return planes.permute(0, 2, 3, 1).flatten(1)
