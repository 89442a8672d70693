import itertools

import torch
from torch import Tensor

from boxless.data.shapes import ShapeScenes
from boxless.data.tetrominoes import BLOCK, COLORS, PIECES, SIDE, TetrominoGenerator, _free_places, tetromino_shapes


def compose(number: int = 60, seed: int = 0, stream: int = 0) -> ShapeScenes:
    return TetrominoGenerator(seed, stream).compose(torch.arange(number))


def polyominoes() -> set[frozenset[tuple[int, int]]]:
    """All shapes of four blocks that hang together, grown block by block, shifted to the origin."""
    grown = {frozenset({(0, 0)})}
    for _ in range(3):
        grown = {
            shape | {(x + dx, y + dy)}
            for shape in grown
            for x, y in shape
            for dx, dy in ((0, 1), (1, 0), (0, -1), (-1, 0))
            if (x + dx, y + dy) not in shape
        }
    return {
        frozenset((x - min(u for u, _ in shape), y - min(v for _, v in shape)) for x, y in shape) for shape in grown
    }


class TestShapes:
    def test_are_the_19_that_four_blocks_can_make(self) -> None:
        cells, names = tetromino_shapes()
        ours = {frozenset((x, y) for x, y in shape) for shape in cells.tolist()}
        assert ours == polyominoes()
        assert len(names) == len(set(names)) == len(cells) == 19

    def test_names_tell_the_piece(self) -> None:
        cells, names = tetromino_shapes()
        for piece, rows in PIECES.items():
            shown = {(x, y) for y, row in enumerate(rows) for x, block in enumerate(row) if block == "#"}
            assert {(x, y) for x, y in cells[names.index(f"{piece}0")].tolist()} == shown
        assert [sum(name.startswith(piece) for name in names) for piece in PIECES] == [1, 2, 2, 2, 4, 4, 4]


class TestScenes:
    def test_scene_is_the_same_alone_and_in_any_batch(self) -> None:
        together = compose()
        some = TetrominoGenerator().compose(torch.tensor([41, 0, 17]))
        for name in ("images", "masks", "centers", "sizes"):
            assert torch.equal(getattr(some, name), getattr(together, name)[[41, 0, 17]])
        for name, values in some.attributes.items():
            assert torch.equal(values, together.attributes[name][[41, 0, 17]])

    def test_seed_and_stream_make_other_scenes(self) -> None:
        scenes = [compose(8, seed, stream).images for seed, stream in ((0, 0), (1, 0), (0, 1), (1, 1))]
        for i, j in itertools.combinations(range(4), 2):
            assert not (scenes[i] == scenes[j]).flatten(1).all(dim=1).any()

    def test_pixels_are_the_colours_of_the_pieces_and_no_two_pieces_share_one(self) -> None:
        scenes = compose()
        assert (scenes.masks.sum(1) <= 1).all()
        assert (scenes.masks.sum((2, 3)) == 4 * BLOCK**2).all()
        paints = list(COLORS.values())
        for b in range(60):
            expected = torch.zeros(3, SIDE, SIDE)
            for k in range(3):
                color = torch.tensor(paints[scenes.attributes["color"][b, k]])
                expected[:, scenes.masks[b, k]] = color.unsqueeze(1)
            assert torch.equal(scenes.images[b], expected)

    def test_masks_are_the_shape_in_its_box(self) -> None:
        scenes, (cells, _) = compose(), tetromino_shapes()
        first = scenes.centers - (scenes.sizes - 1) / 2
        assert torch.equal(first, first.round())
        for b, k in itertools.product(range(60), range(3)):
            left, top = (int(place) for place in first[b, k])
            width, height = (int(size) for size in scenes.sizes[b, k])
            expected = torch.zeros(SIDE, SIDE, dtype=torch.bool)
            for x, y in cells[scenes.attributes["shape"][b, k]].tolist():
                expected[top + BLOCK * y : top + BLOCK * (y + 1), left + BLOCK * x : left + BLOCK * (x + 1)] = True
            assert torch.equal(scenes.masks[b, k], expected)
            rows, columns = expected.any(1).nonzero(), expected.any(0).nonzero()
            assert (int(columns.min()), int(columns.max()) + 1) == (left, left + width)
            assert (int(rows.min()), int(rows.max()) + 1) == (top, top + height)

    def test_shapes_and_colours_are_as_likely(self) -> None:
        scenes = compose(4000)
        for name, number in (("shape", 19), ("color", 6)):
            counts = torch.bincount(scenes.attributes[name].flatten(), minlength=number)
            expected = 12_000 / number
            assert ((counts - expected).square() / expected).sum() < number + 5 * (2 * number) ** 0.5


class TestPlaces:
    def test_free_places_are_those_where_no_pixel_meets(self) -> None:
        taken = torch.zeros(2, SIDE, SIDE, dtype=torch.bool)
        taken[0, 9:13, 20:31] = taken[0, 30, 2] = taken[1, 17, 17] = True
        cells = tetromino_shapes()[0][[7, 12]]
        ours = _free_places(taken, cells)
        for b, y, x in itertools.product(range(2), range(SIDE), range(SIDE)):
            pixels = piece(cells[b], x, y)
            fits = all(u < SIDE and v < SIDE and not taken[b, v, u] for u, v in pixels)
            assert bool(ours[b, y, x]) == fits

    def test_first_piece_lies_anywhere_alike(self) -> None:
        scenes = compose(4000)
        room = SIDE - scenes.sizes[:, 0] + 1  # places along x and y
        corner = scenes.centers[:, 0] - (scenes.sizes[:, 0] - 1) / 2
        assert (corner >= 0).all()
        assert (corner < room).all()
        share = ((corner + 0.5) / room).mean(0)  # of a uniform place: one half
        torch.testing.assert_close(share, torch.full((2,), 0.5), rtol=0, atol=5 * (1 / 12 / 4000) ** 0.5)


def piece(cells: Tensor, x: int, y: int) -> list[tuple[int, int]]:
    """Pixels of a shape with its corner there."""
    steps = itertools.product(range(BLOCK), range(BLOCK))
    return [(x + BLOCK * cx + dx, y + BLOCK * cy + dy) for dx, dy in steps for cx, cy in cells.tolist()]
