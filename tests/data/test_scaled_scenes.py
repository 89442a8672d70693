from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from boxless.data.batch import Batch
from boxless.data.glyphs import Glyphs
from boxless.data.scaled_scenes import ScaledLayout, ScaledSceneGenerator, resizing
from boxless.errors import BoxlessError

SMALL = ScaledLayout(counts=(2, 3), sides=(3.0, 7.0), side=18)  # of digits of 4 pixels: smaller, and larger
ALONE = ScaledLayout(counts=(1,), side=60)


def glyphs(tile: int = 28, box: int = 20) -> Glyphs:
    """Ten random tiles, each a class of its own, so that a scene's labels say which tiles it holds."""
    images = torch.randint(0, 256, (10, tile, tile), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return Glyphs(images, torch.arange(10), float(box), tuple("0123456789"))


def one_glyph(image: Tensor) -> Glyphs:
    return Glyphs(image.to(torch.uint8).unsqueeze(0), torch.zeros(1, dtype=torch.int64), 20.0, ("it",))


def places(batch: Batch) -> tuple[Tensor, Tensor]:
    assert batch.centers is not None
    assert batch.sizes is not None
    return batch.centers, batch.sizes


def middle_of_ink(images: Tensor) -> Tensor:
    """(B, 1, S, S) to (B, 2), x and y."""
    ink, step = images[:, 0], torch.arange(float(images.shape[-1]))
    total = ink.sum((1, 2))
    return torch.stack(((ink.sum(1) * step).sum(1) / total, (ink.sum(2) * step).sum(1) / total), dim=1)


def test_scene_is_the_same_alone_and_in_any_batch() -> None:
    generator = ScaledSceneGenerator(glyphs(), ScaledLayout(), seed=3, stream=1)
    together = generator.compose(torch.arange(20))
    for indices in (torch.tensor([17]), torch.tensor([19, 0, 11])):
        some = generator.compose(indices)
        for ours, theirs in zip(
            (some.images, some.labels, *places(some)),
            (together.images, together.labels, *places(together)),
            strict=True,
        ):
            assert torch.equal(ours, theirs[indices])


def test_seed_and_stream_make_other_scenes() -> None:
    keys = ((0, 0), (1, 0), (0, 1), (1, 1))
    scenes = [ScaledSceneGenerator(glyphs(6, 4), SMALL, *key).compose(torch.arange(5)) for key in keys]
    for i in range(4):
        for j in range(i):
            assert not (scenes[i].images == scenes[j].images).flatten(1).all(dim=1).any()
            assert not torch.equal(scenes[i].labels, scenes[j].labels)


def hat(distance: float) -> float:
    return max(0.0, 1 - abs(distance))


def brightness(tile: list[list[int]], column: float, row: float, scale: float) -> float:
    """A tile at a place in its own pixels, black around it, seen by a canvas pixel of 1 / scale of its pixels."""
    narrow = min(1.0, scale)
    total = weights = 0.0
    for j in range(-5, 11):
        for i in range(-5, 11):
            weight = hat(narrow * (row - j)) * hat(narrow * (column - i))
            weights += weight
            total += weight * (tile[j][i] if 0 <= i < 6 and 0 <= j < 6 else 0)
    return total / weights / 255 if weights else 0.0


def test_image_is_the_resized_tiles_added_and_clipped() -> None:
    batch = ScaledSceneGenerator(glyphs(6, 4), SMALL).compose(torch.arange(4))
    tiles = glyphs(6, 4).images.tolist()
    scales = set()
    for b in range(4):
        expected = torch.zeros(18, 18)
        for label, (x, y), (side, _) in zip(
            batch.labels[b].tolist(), places(batch)[0][b].tolist(), places(batch)[1][b].tolist(), strict=True
        ):
            if label < 0:
                continue
            scale = side / 4
            scales.add(scale > 1)
            for row in range(max(0, int(y - 7)), min(18, int(y + 8))):
                for column in range(max(0, int(x - 7)), min(18, int(x + 8))):
                    expected[row, column] += brightness(
                        tiles[label], (column - x) / scale + 2.5, (row - y) / scale + 2.5, scale
                    )
        torch.testing.assert_close(batch.images[b, 0], expected.clamp(max=1), rtol=0, atol=2e-4)
    assert scales == {False, True}
    assert (batch.images == 1).any()  # something was clipped


@pytest.mark.parametrize("side", [21, 28, 42])
def test_whole_sizes_on_whole_pixels_are_the_antialiased_resize_of_torch(side: int) -> None:
    tile = torch.zeros(28, 28, dtype=torch.float64)
    tile[4:24, 4:24] = glyphs().images[0, 4:24, 4:24]
    centers = torch.tensor([[[(side - 1) / 2 + 7, (side - 1) / 2 + 3]]], dtype=torch.float64)
    columns, rows = resizing(centers, torch.tensor([[side / 28]], dtype=torch.float64), 28, 60)[0, 0]
    expected = torch.zeros(60, 60, dtype=torch.float64)
    expected[3 : 3 + side, 7 : 7 + side] = interpolate(
        tile[None, None], size=(side, side), mode="bilinear", align_corners=False, antialias=True
    )[0, 0]
    torch.testing.assert_close(rows.T @ tile @ columns, expected, rtol=0, atol=0.02)  # of 255


def test_centre_is_the_centre_of_the_ink_at_every_size() -> None:
    step = torch.arange(28) - 13.5
    disc = (step.square()[:, None] + step.square() < 81) * 200
    batch = ScaledSceneGenerator(one_glyph(disc), ALONE).compose(torch.arange(60))
    centers, sizes = places(batch)
    assert sizes.min() < 15
    assert sizes.max() > 35
    torch.testing.assert_close(middle_of_ink(batch.images), centers[:, 0], rtol=0, atol=0.05)


def test_places_lie_between_pixels_too() -> None:
    centers = places(ScaledSceneGenerator(glyphs(), ALONE).compose(torch.arange(40)))[0]
    assert (centers * 2 - (centers * 2).round()).abs().mean() > 0.2


def test_digit_is_as_large_as_its_size_says_and_no_darker() -> None:
    image = torch.zeros(28, 28)
    image[4:24, 4:24] = 204
    batch = ScaledSceneGenerator(one_glyph(image), ALONE).compose(torch.arange(30))
    area = places(batch)[1][:, 0].prod(dim=-1)
    torch.testing.assert_close(batch.images.sum((1, 2, 3)), 0.8 * area, rtol=0.01, atol=0)
    assert batch.images.amax((1, 2, 3)).tolist() == pytest.approx([0.8] * 30, abs=1e-4)


def test_tile_is_neither_turned_nor_mirrored() -> None:
    image = torch.zeros(28, 28)
    image[6, 20] = 255
    batch = ScaledSceneGenerator(one_glyph(image), ALONE).compose(torch.arange(30))
    centers, sizes = places(batch)
    away = (middle_of_ink(batch.images) - centers[:, 0]) / sizes[:, 0]
    torch.testing.assert_close(away, torch.tensor([[6.5, -7.5]]).expand(30, 2) / 20, rtol=0, atol=0.02)


def test_neighbours_are_the_mean_of_their_sides_apart() -> None:
    centers, sizes = places(ScaledSceneGenerator(glyphs(), ScaledLayout()).compose(torch.arange(40)))
    distance = (centers.unsqueeze(1) - centers.unsqueeze(2)).square().sum(-1).sqrt()
    apart = (sizes[:, :, None, 0] + sizes[:, None, :, 0]) / 2
    ratio = (distance / apart)[:, *torch.triu_indices(9, 9, 1)]
    assert ratio.min() > 1 - 1e-5
    assert ratio.min() < 1.02  # and not much more than that


def test_boxes_lie_on_the_canvas_and_reach_its_border() -> None:
    centers, sizes = places(ScaledSceneGenerator(glyphs(), ScaledLayout()).compose(torch.arange(40)))
    low, high = (centers - sizes / 2).min().item(), (centers + sizes / 2).max().item()
    assert -0.5 - 1e-5 <= low < 0.5
    assert 102.5 < high <= 103.5 + 1e-5


def test_a_digit_alone_lies_anywhere_that_its_size_leaves() -> None:
    centers, sizes = places(ScaledSceneGenerator(glyphs(2, 2), replace(ALONE, side=40)).compose(torch.arange(800)))
    share = ((centers - sizes / 2 + 0.5) / (40 - sizes))[:, 0]
    cells = (share * 4).long().clamp(0, 3)
    counts = torch.bincount(cells[:, 1] * 4 + cells[:, 0], minlength=16).double()
    assert ((counts - 50).square() / 50).sum() < 44.3  # 15 degrees of freedom: once in 10,000 above


@pytest.mark.parametrize("counts", [(1,), (1, 2)])
def test_sides_of_digits_with_room_are_uniform(counts: tuple[int, ...]) -> None:
    """Also where a second is not there: the first is not the larger of two that were drawn."""
    batch = ScaledSceneGenerator(glyphs(2, 2), ScaledLayout(counts=counts, side=110)).compose(torch.arange(900))
    alone = (batch.labels >= 0).sum(1) == 1
    sides = places(batch)[1][alone, 0]
    assert torch.equal(sides[:, 0], sides[:, 1])
    number = len(sides)
    assert number > 350
    shares = torch.bincount(((sides[:, 0] - 14) / 2).long(), minlength=11).double() - number / 11
    assert len(shares) == 11
    assert (shares.square() * 11 / number).sum() < 35.6  # 10 degrees of freedom: once in 10,000 above


def test_sides_of_full_scenes_are_hardly_smaller() -> None:
    sides = places(ScaledSceneGenerator(glyphs(2, 2), ScaledLayout()).compose(torch.arange(150)))[1]
    assert sides.min() >= 14
    assert sides.max() <= 36
    assert 24.0 < sides.mean() < 25.6


def test_glyphs_that_are_not_there_are_not_drawn() -> None:
    batch = ScaledSceneGenerator(one_glyph(torch.full((28, 28), 255)), ScaledLayout(counts=(1, 2))).compose(
        torch.arange(20)
    )
    number = (batch.labels >= 0).sum(1)
    assert set(number.tolist()) == {1, 2}
    sides = places(batch)[1][..., 0] * (batch.labels >= 0)
    largest = (1.4 * sides).square().sum(1)  # of whole tiles, that may overlap or stick out
    assert (batch.images.sum((1, 2, 3)) <= largest * 1.01).all()
    assert ((batch.labels >= 0).int().diff(dim=1) <= 0).all()


def test_classes_are_alike() -> None:
    batch = ScaledSceneGenerator(glyphs(2, 2), replace(ALONE, counts=(2,), side=90)).compose(torch.arange(500))
    counts = torch.bincount(batch.labels.flatten(), minlength=10).double()
    assert ((counts - 100).square() / 100).sum() < 33.7  # 9 degrees of freedom: once in 10,000 above


def test_full_canvas_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("boxless.data.scaled_scenes.SETS", 3)
    layout = ScaledLayout(counts=(2,), sides=(20.0, 20.0), side=22)
    with pytest.raises(BoxlessError, match=r"2 glyphs of 20.0 to 20.0 pixels do not fit a canvas of 22 pixels"):
        ScaledSceneGenerator(glyphs(2, 2), layout).compose(torch.arange(1))


@pytest.mark.parametrize("sides", [(20.0, 14.0), (0.0, 14.0), (14.0, 106.0)])
def test_sides_that_make_no_sense_are_reported(sides: tuple[float, float]) -> None:
    with pytest.raises(BoxlessError, match="do not fit a canvas of 104; change sides"):
        ScaledSceneGenerator(glyphs(), ScaledLayout(sides=sides))


def test_scene_in_which_no_room_is_left_starts_anew() -> None:
    """A canvas that holds two in opposite corners alone: seldom does the first leave room for the second."""
    layout = ScaledLayout(counts=(2,), sides=(10.0, 10.0), side=18)
    centers = places(ScaledSceneGenerator(glyphs(2, 2), layout).compose(torch.arange(10)))[0]
    assert (centers[:, 0] - centers[:, 1]).square().sum(-1).sqrt().min() > 10 - 1e-5
