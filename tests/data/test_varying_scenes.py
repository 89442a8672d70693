import pytest
import torch
from torch import Tensor

from boxless.data.batch import Batch
from boxless.data.glyphs import Glyphs
from boxless.data.varying_scenes import VaryingLayout, VaryingSceneGenerator
from boxless.errors import BoxlessError


def glyphs(tile: int = 28, box: int = 20) -> Glyphs:
    """Ten random tiles, each a class of its own, so that a scene's labels say which tiles it holds."""
    images = torch.randint(0, 256, (10, tile, tile), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return Glyphs(images, torch.arange(10), float(box), tuple("0123456789"))


def places(batch: Batch) -> Tensor:
    assert batch.centers is not None
    return batch.centers


def test_image_is_the_two_tiles_added_and_clipped() -> None:
    generator = VaryingSceneGenerator(glyphs(), VaryingLayout())
    batch = generator.compose(torch.arange(7, 12))
    sides = generator.sides(torch.arange(7, 12)).tolist()
    assert batch.extents is not None
    assert batch.extents.tolist() == [[side, side] for side in sides]
    tiles = glyphs().images
    for b, side in enumerate(sides):
        expected = torch.zeros(max(sides), max(sides))
        for label, (x, y) in zip(batch.labels[b].tolist(), places(batch)[b].tolist(), strict=True):
            left, top = int(x - 13.5), int(y - 13.5)
            assert min(left, top) >= 0
            assert max(left, top) + 28 <= side
            expected[top : top + 28, left : left + 28] += tiles[label] / 255
        torch.testing.assert_close(batch.images[b, 0], expected.clamp(max=1), rtol=0, atol=1e-6)
    assert (batch.labels >= 0).all()


def test_a_scene_is_the_same_alone_and_in_any_batch() -> None:
    generator = VaryingSceneGenerator(glyphs(), VaryingLayout(counts=(1, 3)), seed=2, stream=1)
    batch = generator.compose(torch.tensor([5, 90, 31, 5]))
    for row, index in enumerate((5, 90, 31, 5)):
        alone = generator.compose(torch.tensor([index]))
        assert alone.extents is None
        side = int(generator.sides(torch.tensor([index])))
        assert alone.images.shape[2:] == (side, side)
        assert torch.equal(batch.images[row, :, :side, :side], alone.images[0])
        assert torch.equal(batch.labels[row], alone.labels[0])
        assert torch.equal(places(batch)[row], places(alone)[0])


def test_seed_and_stream_make_other_scenes() -> None:
    keys = ((0, 0), (1, 0), (0, 1), (1, 1))
    labels = [VaryingSceneGenerator(glyphs(), VaryingLayout(), *key).compose(torch.arange(20)).labels for key in keys]
    assert all(not torch.equal(labels[i], labels[j]) for i in range(4) for j in range(i))


def test_all_sides_are_alike() -> None:
    generator = VaryingSceneGenerator(glyphs(), VaryingLayout())
    sides = generator.sides(torch.arange(29 * 30))
    assert set(sides.tolist()) == set(range(56, 85))
    counts = torch.bincount(sides)
    assert ((counts[56:] - 30).square() / 30).sum() < 64.0  # 28 degrees of freedom: once in 10,000 above


def test_tiles_lie_wholly_inside_and_anywhere_alike() -> None:
    """A tile of 4 on 6 pixels has 3 × 3 places, and two tiles may take the same."""
    batch = VaryingSceneGenerator(glyphs(4, 4), VaryingLayout(sides=(6, 6))).compose(torch.arange(900))
    cells = (places(batch) - 1.5).long()
    assert cells.min() == 0
    assert cells.max() == 2
    pairs = (cells[..., 1] * 3 + cells[..., 0]).unbind(dim=1)
    for place in pairs:
        counts = torch.bincount(place, minlength=9).double()
        assert ((counts - 100).square() / 100).sum() < 31.9  # 8 degrees of freedom: once in 10,000 above
    assert (pairs[0] == pairs[1]).float().mean().item() == pytest.approx(1 / 9, abs=4 * (8 / 81 / 900) ** 0.5)


def test_centres_keep_their_distance() -> None:
    layout = VaryingLayout(counts=(2, 4), sides=(60, 70), distance=20.0)
    batch = VaryingSceneGenerator(glyphs(), layout).compose(torch.arange(200))
    distances = torch.cdist(places(batch), places(batch)) + 1e3 * torch.eye(4)
    present = batch.labels >= 0
    apart = distances[present.unsqueeze(1) & present.unsqueeze(2)]
    assert 20.0 <= apart.min() < 21.0
    assert set(present.sum(1).tolist()) == {2, 4}


@pytest.mark.parametrize("sides", [(20, 84), (84, 56)])
def test_sides_that_make_no_sense_are_reported(sides: tuple[int, int]) -> None:
    with pytest.raises(BoxlessError, match="do not hold a tile of 28; change sides"):
        VaryingSceneGenerator(glyphs(), VaryingLayout(sides=sides))
