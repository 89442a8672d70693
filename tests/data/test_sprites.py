import itertools

import pytest
import torch

from boxless.data.shapes import ShapeScenes
from boxless.data.sprites import COLORS, LEAST_VISIBLE, SHAPES, SIDE, SIZES, SpriteGenerator
from boxless.errors import BoxlessError


def compose(
    number: int = 40, counts: tuple[int, ...] = (1, 2, 3, 4, 5, 6), seed: int = 0, stream: int = 0
) -> ShapeScenes:
    return SpriteGenerator(counts, seed, stream).compose(torch.arange(number))


def covers(shape: str, x: float, y: float, size: float) -> bool:
    """Whether a point (x, y) from the middle of the box lies on the sprite."""
    half = size / 2
    if shape == "square":
        return max(abs(x), abs(y)) <= half
    if shape == "disk":
        return x * x + y * y <= half * half
    return y <= half and abs(x) <= (y + half) / 2  # apex above


def test_scene_is_the_same_alone_and_in_any_batch() -> None:
    together = compose()
    some = SpriteGenerator().compose(torch.tensor([31, 0, 17]))
    for name in ("images", "masks", "present", "centers", "sizes"):
        assert torch.equal(getattr(some, name), getattr(together, name)[[31, 0, 17]])
    for name, values in some.attributes.items():
        assert torch.equal(values, together.attributes[name][[31, 0, 17]])


def test_seed_and_stream_make_other_scenes() -> None:
    scenes = [compose(6, seed=seed, stream=stream).images for seed, stream in ((0, 0), (1, 0), (0, 1), (1, 1))]
    for i, j in itertools.combinations(range(4), 2):
        assert not (scenes[i] == scenes[j]).flatten(1).all(dim=1).any()


def test_pixels_are_painted_back_to_front() -> None:
    """Each pixel, by 8×8 points in it, through the objects in their order."""
    scenes = compose(6, counts=(4, 5))
    paints, sizes = list(COLORS.values()), list(SIZES.values())
    fine = (torch.arange(8) + 0.5) / 8 - 0.5
    grid = (torch.arange(SIDE).unsqueeze(1) + fine).flatten().tolist()
    wrong = 0.0
    for b in range(6):
        expected = torch.zeros(3, SIDE * 8, SIDE * 8)
        for k in range(int(scenes.present[b].sum())):
            shape, color, kind = (int(scenes.attributes[name][b, k]) for name in ("shape", "color", "size"))
            cx, cy = scenes.centers[b, k].tolist()
            near = [i for i, v in enumerate(grid) if abs(v - cx) < 9]
            rows = [i for i, v in enumerate(grid) if abs(v - cy) < 9]
            for j, i in itertools.product(rows, near):
                if covers(SHAPES[shape], grid[i] - cx, grid[j] - cy, sizes[kind]):
                    expected[:, j, i] = torch.tensor(paints[color])
        expected = torch.nn.functional.avg_pool2d(expected, 8)
        wrong = max(wrong, (scenes.images[b] - expected).abs().max().item())
        assert (scenes.images[b] - expected).abs().mean() < 0.003
    assert wrong < 0.3  # a corner's pixel, or one where two edges meet


def test_masks_are_the_foremost_object_of_each_pixel() -> None:
    scenes = compose(30)
    assert (scenes.masks.sum(1) <= 1).all()
    assert not scenes.masks[~scenes.present].any()
    sizes = list(SIZES.values())
    for b in range(8):
        front = torch.full((SIDE, SIDE), -1)
        edge = torch.zeros(SIDE, SIDE, dtype=torch.bool)
        for k in range(int(scenes.present[b].sum())):
            shape = SHAPES[int(scenes.attributes["shape"][b, k])]
            size = sizes[int(scenes.attributes["size"][b, k])]
            cx, cy = scenes.centers[b, k].tolist()
            for y, x in itertools.product(range(SIDE), range(SIDE)):
                inner, outer = (covers(shape, x - cx, y - cy, size + d) for d in (-0.6, 0.6))
                if covers(shape, x - cx, y - cy, size):
                    front[y, x] = k
                edge[y, x] |= inner != outer
        ours = torch.where(scenes.masks[b].any(0), scenes.masks[b].int().argmax(0), -1)
        assert torch.equal(ours[~edge], front[~edge])
        assert edge.float().mean() < 0.2


@pytest.mark.parametrize("counts", [(6,), (10,)])
def test_every_object_can_be_seen(counts: tuple[int, ...]) -> None:
    scenes = compose(30, counts)
    alone = {  # pixels of an object that nothing covers, at least
        (shape, size): sum(
            covers(SHAPES[shape], x + 0.25, y + 0.25, list(SIZES.values())[size])
            for x, y in itertools.product(range(-9, 9), range(-9, 9))
        )
        for shape, size in itertools.product(range(len(SHAPES)), range(len(SIZES)))
    }
    covered = 0
    for b, k in itertools.product(range(30), range(counts[0])):
        whole = alone[int(scenes.attributes["shape"][b, k]), int(scenes.attributes["size"][b, k])]
        seen = int(scenes.masks[b, k].sum())
        assert seen >= 0.8 * LEAST_VISIBLE * whole
        covered += seen < 0.8 * whole
    assert covered > 5  # they do cover each other


def test_boxes_lie_on_the_canvas_and_hold_all_that_is_seen() -> None:
    scenes = compose(40)
    first, last = scenes.centers - scenes.sizes / 2, scenes.centers + scenes.sizes / 2
    assert first.min() >= -0.5
    assert last.max() <= SIDE - 0.5
    line = torch.arange(SIDE)
    within = (line >= first.unsqueeze(-1)) & (line <= last.unsqueeze(-1))  # (B, N, 2, SIDE)
    boxes = within[:, :, 1, :, None] & within[:, :, 0, None, :]
    assert not (scenes.masks & ~boxes).any()
    assert not torch.equal(scenes.centers, scenes.centers.round())  # between pixels


def test_single_object_fills_its_box() -> None:
    """Tight to a pixel, left, right, top and bottom; so x and y are not swapped and nothing is half a pixel off."""
    scenes = compose(40, counts=(1,))
    for b in range(40):
        rows, columns = scenes.masks[b, 0].any(1).nonzero(), scenes.masks[b, 0].any(0).nonzero()
        middle = torch.tensor([(columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2])
        triangle = SHAPES[int(scenes.attributes["shape"][b, 0])] == "triangle"
        slack = torch.tensor([0.51, 1.01 if triangle else 0.51])  # the apex is thinner than a pixel
        assert ((middle - scenes.centers[b, 0]).abs() <= slack).all()


def test_numbers_and_attributes_are_as_likely() -> None:
    scenes = compose(1200, counts=(1, 3))
    numbers = scenes.present.sum(1)
    assert set(numbers.tolist()) == {1, 3}
    assert (numbers == 1).float().mean().item() == pytest.approx(0.5, abs=0.06)
    for name, kinds in (("shape", 3), ("color", 8), ("size", 2)):
        values = scenes.attributes[name]
        assert torch.equal(values >= 0, scenes.present)
        counts = torch.bincount(values[scenes.present], minlength=kinds).double()
        expected = counts.sum() / kinds
        assert len(counts) == kinds == len(scenes.attribute_names[name])
        assert ((counts - expected).square() / expected).sum() < kinds + 5 * (2 * kinds) ** 0.5


def test_scene_that_cannot_be_is_reported() -> None:
    with pytest.raises(BoxlessError, match="at least one sprite"):
        SpriteGenerator(counts=(0, 1))


def test_too_many_sprites_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("boxless.data.sprites.ATTEMPTS", 4)
    with pytest.raises(BoxlessError, match="80 sprites do not fit 64×64 pixels"):
        compose(1, counts=(80,))
