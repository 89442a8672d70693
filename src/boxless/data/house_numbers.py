"""House numbers composed of real digits on real walls, as square crops of 64×64 (MCMIL, section 5.3).

Digits of one style stand side by side on a line that is mostly nearly level. In some numbers each shows the middle of
its crop, which fades into its neighbours and into the wall; in others its strokes alone are painted onto the wall, all
in the ink of the first, so that no edge tells where a crop ends.

Conventions
    Places are (x, y) in pixels, x right, y down, the centre of the top-left pixel at (0, 0). The digits of a number are
    in the order in which it is read.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from boxless.data.batch import Batch
from boxless.data.hashing import normals, uniforms
from boxless.data.house_digits import HouseDigits
from boxless.data.scaled_scenes import resizing

ASPECT, ASPECT_OF_ONE = 0.51, 0.38  # width over height, the medians of SVHN's training boxes
SLOPE = 0.13  # standard deviation of the line's
STACKED = 0.03  # share of numbers that are written from top to bottom
FADE = 3.0  # pixels of a digit's crop over which its sides fade
PAINTED = 0.5  # share of numbers of which the strokes alone are shown


@dataclass(frozen=True)
class HouseNumberLayout:
    """Numbers that fill a square, as a tight crop does.

    Attributes:
        counts: how many digits; one of these, each as likely. Of the 256 real training images at hand 16 % have one,
            56 % two, 24 % three and 4 % four.
        side: of the square, in pixels.
        channels: of the images.
    """

    counts: tuple[int, ...] = (1,) * 3 + (2,) * 10 + (3,) * 5 + (4, 5)
    side: int = 64
    channels: int = 3


class HouseNumberGenerator:
    """Composes numbers by index; the same index is the same number, in whatever batch.

    Args:
        digits: what they are composed of.
        layout: how many digits, and how large an image.
        seed: another seed, other numbers.
        stream: keeps uses apart (training, validation, test).
    """

    in_reading_order = True

    def __init__(self, digits: HouseDigits, layout: HouseNumberLayout, seed: int = 0, stream: int = 0) -> None:
        self.digits, self.layout, self.key = digits, layout, (seed, stream)
        self.class_names = digits.class_names

    def compose(self, indices: Tensor) -> Batch:
        """The numbers of these indices, (B,) int64."""
        counts, most = self.layout.counts, max(self.layout.counts)
        draws = uniforms((*self.key, 0), indices, 2 + most)
        number = torch.tensor(counts)[(draws[:, 0] * len(counts)).long()]
        first = (draws[:, 1] * len(self.digits.labels)).long()
        similar = self.digits.similar[first]
        chosen = similar.gather(1, (draws[:, 2:] * similar.shape[1]).long())  # (B, K)
        present = torch.arange(most) < number.unsqueeze(1)
        labels = self.digits.labels[chosen]
        centers, sizes, aspects = self._placed(indices, labels, present)
        images = self._painted(indices, first, chosen, present, centers, sizes, aspects)
        return Batch(images, torch.where(present, labels, -1), centers.float(), sizes.float())

    def _placed(self, indices: Tensor, labels: Tensor, present: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Centres and sizes (B, K, 2) on the canvas, and the aspects (B, K) of the digits in their crops."""
        batch, most = labels.shape
        draws = uniforms((*self.key, 1), indices, 6 + most)
        wider, apart, fill, x, y, stacked = draws[:, :6].unbind(1)
        aspects = torch.where(labels == 1, ASPECT_OF_ONE, ASPECT) * (0.9 + 0.2 * draws[:, 6:])
        heights = torch.ones_like(aspects)
        widths = aspects * (0.85 + 0.35 * wider).unsqueeze(1)
        is_stacked = (stacked < STACKED).unsqueeze(1)
        steps = torch.where(is_stacked, heights, widths) * (0.95 + 0.25 * apart).unsqueeze(1)
        along = steps.cumsum(1) - steps / 2
        across = along * normals((*self.key, 2), indices, 1) * SLOPE
        middles = torch.stack((torch.where(is_stacked, across, along), torch.where(is_stacked, along, across)), dim=2)
        sizes = torch.stack((widths, heights), dim=2)
        ends = (~present * 1e9).unsqueeze(2)
        low, high = (middles - sizes / 2 + ends).amin(1), (middles + sizes / 2 - ends).amax(1)
        scale = self.layout.side * (0.9 + 0.14 * fill) / (high - low).amax(1)  # of all, to the square
        home = (self.layout.side - 1) / 2 + 4 * (torch.stack((x, y), dim=1) - 0.5)
        centers = (middles - ((low + high) / 2).unsqueeze(1)) * scale.view(batch, 1, 1) + home.unsqueeze(1)
        return centers, sizes * scale.view(batch, 1, 1), aspects

    def _painted(
        self,
        indices: Tensor,
        first: Tensor,
        chosen: Tensor,
        present: Tensor,
        centers: Tensor,
        sizes: Tensor,
        aspects: Tensor,
    ) -> Tensor:
        """Digits over the wall: (B, 3, side, side), rounded to 8 bits."""
        grounds, tile = self.digits.grounds, self.digits.images.shape[-1]
        painted = self._by_strokes(indices)
        own = (
            self.digits.images[chosen].float() / 255 + (grounds[first].unsqueeze(1) - grounds[chosen])[..., None, None]
        )
        away = (torch.arange(tile) - (tile - 1) / 2).abs()
        sides = ((aspects.unsqueeze(-1) * tile / 2 - away) / FADE + 0.5).clamp(0, 1)  # (B, K, T)
        ends = ((tile / 2 - away) / 2).clamp(0, 1)
        cover = (sides.unsqueeze(-2) * ends.unsqueeze(-1) * present[..., None, None]).float().unsqueeze(2)
        of_strokes = painted.view(-1, 1, 1, 1, 1)
        own = torch.where(of_strokes, self.digits.inks[first][:, None, :, None, None], own.clamp(0, 1))
        cover = torch.where(of_strokes, cover * self.digits.strokes[chosen] / 255, cover)
        layers = torch.cat((own * cover, cover), dim=2)  # (B, K, 4, T, T)
        crop_sizes = torch.stack((sizes[..., 0] / aspects, sizes[..., 1]), dim=-1)
        columns, rows = resizing(centers, crop_sizes / tile, tile, self.layout.side).float().unsqueeze(3).unbind(2)
        laid = (rows.transpose(-1, -2) @ layers @ columns).sum(1)
        cover, walls = laid[:, 3:], self._walls(indices, first, painted)
        image = (laid[:, :3] + (1 - cover).clamp_min(0) * walls) / cover.clamp_min(1)
        return (self._lit(indices, image) * 255).round() / 255

    def _by_strokes(self, indices: Tensor) -> Tensor:
        """(B,) bool: the numbers of which the strokes alone are shown."""
        return uniforms((*self.key, 5), indices, 1)[:, 0] < PAINTED

    def _walls(self, indices: Tensor, first: Tensor, painted: Tensor) -> Tensor:
        """(B, 3, side, side): a piece of wall as it is, or fainter and in the colour that the digits are written on.

        Numbers that are painted onto it, (B,) bool, are on walls of that colour, where their ink can be seen.
        """
        draws = uniforms((*self.key, 3), indices, 4)
        walls = self.digits.walls[(draws[:, 0] * len(self.digits.walls)).long()].float() / 255
        walls = torch.where((draws[:, 1] < 0.5).view(-1, 1, 1, 1), walls, walls.flip(3))
        mean = walls.mean((2, 3), keepdim=True)
        faint = self.digits.grounds[first][..., None, None] + draws[:, 2].view(-1, 1, 1, 1) * (walls - mean)
        as_it_is = (draws[:, 3] < 0.25) & ~painted
        return torch.where(as_it_is.view(-1, 1, 1, 1), walls, faint.clamp(0, 1)).float()

    def _lit(self, indices: Tensor, images: Tensor) -> Tensor:
        """Other light: contrast, brightness and tint."""
        draws = uniforms((*self.key, 4), indices, 5).float() - 0.5
        contrast = (1 + 0.6 * draws[:, :1]) * (1 + 0.1 * draws[:, 2:])
        shift = 0.5 + 0.2 * draws[:, 1:2]
        return ((images - 0.5) * contrast[..., None, None] + shift[..., None, None]).clamp(0, 1)
