import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from boxless.data.batch import Batch
from boxless.data.glyphs import Glyphs, load_glyphs
from boxless.data.scenes import LAYOUTS, Layout, SceneGenerator
from boxless.errors import BoxlessError

NAMES = tuple("0123456789")


def random_glyphs(tile: int = 28, box: int = 20) -> Glyphs:
    """Ten random tiles, each a class of its own, so that a scene's labels say which tiles it holds."""
    images = torch.zeros(10, tile, tile, dtype=torch.uint8)
    border = (tile - box) // 2
    images[:, border : border + box, border : border + box] = torch.randint(
        0, 256, (10, box, box), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    return Glyphs(images, torch.arange(10), float(box), NAMES)


def one_glyph(image: Tensor, box: int) -> Glyphs:
    return Glyphs(image.unsqueeze(0), torch.zeros(1, dtype=torch.int64), float(box), ("it",))


def compose(name: str, number: int = 40, seed: int = 0, stream: int = 0) -> tuple[Layout, Batch]:
    layout = LAYOUTS[name]
    return layout, SceneGenerator(random_glyphs(), layout, seed, stream).compose(torch.arange(number))


def places(batch: Batch) -> tuple[Tensor, Tensor]:
    assert batch.centers is not None
    assert batch.sizes is not None
    return batch.centers, batch.sizes


@pytest.mark.parametrize("name", LAYOUTS)
class TestEveryLayout:
    def test_scene_is_the_same_alone_and_in_any_batch(self, name: str) -> None:
        generator = SceneGenerator(random_glyphs(), LAYOUTS[name], seed=3, stream=1)
        together = generator.compose(torch.arange(40))
        for indices in (torch.tensor([17]), torch.tensor([39, 0, 31])):
            some = generator.compose(indices)
            for ours, theirs in zip(
                (some.images, some.labels, *places(some)),
                (together.images, together.labels, *places(together)),
                strict=True,
            ):
                assert torch.equal(ours, theirs[indices])

    def test_seed_and_stream_make_other_scenes(self, name: str) -> None:
        scenes = [compose(name, 8, seed, stream)[1] for seed, stream in ((0, 0), (1, 0), (0, 1), (1, 1))]
        for i in range(4):
            for j in range(i):
                same = (scenes[i].images == scenes[j].images).flatten(1).all(dim=1)
                assert not same.any()
                assert not torch.equal(scenes[i].labels, scenes[j].labels)

    def test_image_is_the_tiles_added_and_clipped(self, name: str) -> None:
        layout, batch = compose(name, 6)
        tiles = random_glyphs().images
        for b in range(6):
            wide = torch.zeros(layout.side + 56, layout.side + 56)
            for label, center in zip(batch.labels[b].tolist(), places(batch)[0][b].tolist(), strict=True):
                if label >= 0:
                    left, top = (int(place - 13.5) + 28 for place in center)
                    wide[top : top + 28, left : left + 28] += tiles[label] / 255
            expected = wide[28:-28, 28:-28].clamp(max=1)
            torch.testing.assert_close(batch.images[b, 0], expected, rtol=0, atol=1e-6)

    def test_boxes_lie_on_the_canvas(self, name: str) -> None:
        layout, batch = compose(name, 60)
        centers, sizes = places(batch)
        assert (centers - sizes / 2).min() >= -0.5
        assert (centers + sizes / 2).max() <= layout.side - 0.5

    def test_boxes_hold_all_ink(self, name: str) -> None:
        batch = SceneGenerator(load_glyphs("digits", "test"), LAYOUTS[name]).compose(torch.arange(10))
        centers, sizes = places(batch)
        near = (torch.arange(80).view(1, 1, 1, 80) - centers.unsqueeze(-1)).abs() <= sizes.unsqueeze(-1) / 2
        near = near & (batch.labels >= 0)[..., None, None]
        boxed = (near[:, :, 1, :, None] & near[:, :, 0, None, :]).any(dim=1)
        assert (batch.images[:, 0][~boxed] == 0).all()
        assert (batch.images[:, 0][boxed] > 0).float().mean() > 0.2


class TestScattered:
    @pytest.mark.parametrize("name", [name for name, layout in LAYOUTS.items() if not layout.grid])
    def test_centres_keep_the_least_distance(self, name: str) -> None:
        layout, batch = compose(name, 60)
        centers = places(batch)[0].masked_fill(batch.labels.unsqueeze(-1) < 0, math.nan)
        distance = (centers.unsqueeze(1) - centers.unsqueeze(2)).square().sum(-1).sqrt()
        pairs = distance[:, *torch.triu_indices(centers.shape[1], centers.shape[1], 1)]
        pairs = pairs[~pairs.isnan()]
        assert pairs.min() >= layout.distance
        assert pairs.min() < layout.distance + 1  # and not much more than that

    @pytest.mark.parametrize(("tile", "expected"), [(3, {2.0, 3.0, 4.0}), (2, {1.5, 2.5, 3.5, 4.5})])
    def test_margin_is_from_the_edge_of_the_canvas(self, tile: int, expected: set[float]) -> None:
        """On 7 pixels, from −0.5 to 6.5, a margin of 2 leaves 1.5 to 4.5."""
        layout = Layout(counts=(1,), side=7, margin=2.0)
        batch = SceneGenerator(random_glyphs(tile, tile), layout).compose(torch.arange(100))
        assert set(places(batch)[0].flatten().tolist()) == expected

    def test_first_glyph_lies_anywhere_alike(self) -> None:
        layout = Layout(counts=(1,), side=10, margin=1.0)
        batch = SceneGenerator(random_glyphs(2, 2), layout).compose(torch.arange(8100))
        cells = (places(batch)[0] - 0.5).long()[:, 0]  # 9 × 9
        counts = torch.bincount(cells[:, 1] * 9 + cells[:, 0], minlength=81).double()
        chi_square = ((counts - 100).square() / 100).sum().item()
        assert len(counts) == 81
        assert 39.0 < chi_square < 135.8  # 80 degrees of freedom: once in 10,000 below, once in 10,000 above

    def test_second_glyph_lies_alike_wherever_there_is_room(self) -> None:
        """On a line of 5 places, 2 apart, each pair of places has its chance in closed form."""
        layout = Layout(counts=(2,), distance=2.0, side=7, margin=1.5)
        batch = SceneGenerator(random_glyphs(1, 1), layout).compose(torch.arange(20_000))
        first, second = (places(batch)[0] - 1).long().unbind(dim=1)
        expected, counts = [], []
        for x in range(5):
            for y in range(5):
                here = (first == torch.tensor([x, y])).all(dim=1)
                free = [(u, v) for u in range(5) for v in range(5) if (u - x) ** 2 + (v - y) ** 2 >= 4]
                for u, v in free:
                    expected.append(20_000 / 25 / len(free))
                    counts.append((here & (second == torch.tensor([u, v])).all(dim=1)).sum().item())
        assert sum(counts) == 20_000
        degrees = len(counts) - 1
        chi_square = sum((n - e) ** 2 / e for n, e in zip(counts, expected, strict=True))
        assert abs(chi_square - degrees) < 4 * math.sqrt(2 * degrees)

    def test_crowd_has_its_deviation(self) -> None:
        """Two of one crowd differ by twice its variance, but for those that the border cuts off."""
        layout = Layout(counts=(2,), distance=0.0, side=65, margin=0.5, crowding=2.0)
        batch = SceneGenerator(random_glyphs(1, 1), layout).compose(torch.arange(1000))
        difference = places(batch)[0][:, 0] - places(batch)[0][:, 1]
        assert difference.square().mean().item() == pytest.approx(2 * 2.0**2, rel=0.12)
        assert difference.mean().abs() < 4 * math.sqrt(8 / 2000)

    def test_glyphs_that_are_not_there_need_no_room(self) -> None:
        """Of 3 × 3 places the middle leaves no room for another at distance 2: alone a glyph lies there as often."""
        layout = Layout(counts=(1, 2), distance=2.0, side=5, margin=1.5)
        batch = SceneGenerator(random_glyphs(1, 1), layout).compose(torch.arange(2000))
        middle = (places(batch)[0][:, 0] == 2.0).all(dim=1)
        alone = (batch.labels >= 0).sum(1) == 1
        assert not middle[~alone].any()
        assert middle[alone].float().mean().item() == pytest.approx(1 / 9, abs=4 * math.sqrt(8 / 81 / 1000))

    @pytest.mark.parametrize("draw", [0.0, 1 - 2**-53])
    def test_lowest_and_highest_draw_find_a_free_place(self, draw: float, monkeypatch: pytest.MonkeyPatch) -> None:
        def uniforms(key: tuple[int, ...], indices: Tensor, count: int) -> Tensor:
            return torch.full((len(indices), count), draw, dtype=torch.float64)

        monkeypatch.setattr("boxless.data.scenes.uniforms", uniforms)
        layout, batch = compose("mnist-crowded", 1)
        assert torch.pdist(places(batch)[0][0]).min() >= layout.distance

    def test_full_canvas_is_reported(self) -> None:
        layout = Layout(counts=(2,), distance=20.0, side=22, margin=10.0)
        with pytest.raises(BoxlessError, match=r"2 glyphs, 20.0 pixels apart, do not fit a canvas of 22 pixels"):
            SceneGenerator(random_glyphs(2, 2), layout).compose(torch.arange(1))

    def test_margin_that_leaves_no_place_is_reported(self) -> None:
        with pytest.raises(BoxlessError, match="leaves no place on 20 pixels"):
            SceneGenerator(random_glyphs(), Layout(side=20, margin=10.0))


class TestGrid:
    def test_classes_are_sorted_in_reading_order(self) -> None:
        _, batch = compose("mnist-easy", 100)
        assert (batch.labels.diff(dim=1) >= 0).all()
        assert (batch.labels.diff(dim=1) > 0).any()

    def test_glyphs_lie_about_their_cells_with_an_eighth_of_deviation(self) -> None:
        batch = SceneGenerator(random_glyphs(2, 2), LAYOUTS["mnist-easy"]).compose(torch.arange(1000))
        cell = 80 / 3
        middle = places(batch)[0][:, 4]  # no border near
        deviation = math.sqrt((cell / 8) ** 2 + 1 / 12)  # rounded to whole pixels
        assert middle.std(dim=0).tolist() == pytest.approx([deviation] * 2, rel=0.09)
        assert middle.mean(dim=0).tolist() == pytest.approx([39.5, 39.5], abs=4 * deviation / math.sqrt(1000))
        for k in range(9):
            home = torch.tensor([(k % 3 + 0.5) * cell - 0.5, (k // 3 + 0.5) * cell - 0.5])
            assert (places(batch)[0][:, k].mean(dim=0) - home).abs().max() < 4.5 * deviation / math.sqrt(1000)

    def test_noise_of_x_y_and_neighbours_is_independent(self) -> None:
        batch = SceneGenerator(random_glyphs(2, 2), LAYOUTS["mnist-easy"]).compose(torch.arange(1000))
        others = torch.corrcoef(places(batch)[0].flatten(1).T) - torch.eye(18)
        assert others.abs().max() < 4.5 / math.sqrt(1000)

    def test_noise_is_cut_off_at_the_border_not_heaped_up_there(self) -> None:
        """Left edges of the left tiles, as top edges of the upper: Gaussian about −0.67, cut at −4, in closed form."""
        batch = SceneGenerator(random_glyphs(), LAYOUTS["mnist-easy"]).compose(torch.arange(1000))
        edges = (places(batch)[0] - 13.5).view(1000, 3, 3, 2)
        outer = torch.cat((edges[:, :, 0, 0], edges[:, 0, :, 1])).flatten()
        cell = 80 / 3
        home = cell / 2 - 14

        def below(place: float) -> float:
            return 0.5 * (1 + math.erf((place - home) / (cell / 8) / math.sqrt(2)))

        for edge in range(-4, 5):
            share = (below(edge + 0.5) - below(edge - 0.5)) / (1 - below(-4.5))
            found = (outer == edge).float().mean().item()
            assert found == pytest.approx(share, abs=4 * math.sqrt(share / 6000))

    @pytest.mark.parametrize("draw", [0.0, 1 - 2**-53])
    @pytest.mark.parametrize("tile", [2, 28])
    def test_lowest_and_highest_draw_stay_on_the_canvas(
        self, tile: int, draw: float, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def uniforms(key: tuple[int, ...], indices: Tensor, count: int) -> Tensor:
            return torch.full((len(indices), count), draw, dtype=torch.float64)

        monkeypatch.setattr("boxless.data.scenes.uniforms", uniforms)
        glyphs = random_glyphs(tile, min(tile, 20))
        centers, sizes = places(SceneGenerator(glyphs, LAYOUTS["mnist-easy"]).compose(torch.arange(1)))
        assert (centers - sizes / 2).min() >= -0.5
        assert (centers + sizes / 2).max() <= 79.5

    def test_grid_that_its_glyphs_do_not_fill_is_reported(self) -> None:
        with pytest.raises(BoxlessError, match=r"A grid of 3 holds 9 glyphs, not \(3, 9\)"):
            SceneGenerator(random_glyphs(), Layout(counts=(3, 9), grid=3))


class TestLabels:
    def test_numbers_of_a_varying_layout_are_alike(self) -> None:
        layout = replace(LAYOUTS["mnist-k"], distance=1.0, side=12, margin=1.0)
        batch = SceneGenerator(random_glyphs(2, 2), layout).compose(torch.arange(3500))
        counts = torch.bincount((batch.labels >= 0).sum(1), minlength=10)[3:].double()
        assert counts.sum() == 3500
        chi_square = ((counts - 500).square() / 500).sum().item()
        assert chi_square < 27.9  # 6 degrees of freedom: once in 10,000 above

    def test_number_says_nothing_about_the_classes(self) -> None:
        layout = replace(LAYOUTS["mnist-k"], distance=1.0, side=12, margin=1.0)
        batch = SceneGenerator(random_glyphs(2, 2), layout).compose(torch.arange(1000))
        number = (batch.labels >= 0).sum(1)
        correlation = torch.corrcoef(torch.stack((number, batch.labels[:, 0], batch.labels[:, 1])).double())
        assert (correlation - torch.eye(3)).abs().max() < 4 / math.sqrt(1000)

    @pytest.mark.parametrize(("name", "number"), [("mnist-hard", 9), ("mnist-3", 3), ("mnist-easy", 9)])
    def test_fixed_number(self, name: str, number: int) -> None:
        _, batch = compose(name, 20)
        assert ((batch.labels >= 0).sum(1) == number).all()

    def test_padding_comes_last(self) -> None:
        _, batch = compose("mnist-k", 40)
        present = (batch.labels >= 0).int()
        assert (present.diff(dim=1) <= 0).all()
        assert (present == 0).any()

    def test_classes_are_alike_and_repeat(self) -> None:
        layout = replace(LAYOUTS["mnist-3"], distance=1.0, side=12, margin=1.0)
        batch = SceneGenerator(random_glyphs(2, 2), layout).compose(torch.arange(1000))
        counts = torch.bincount(batch.labels.flatten(), minlength=10).double()
        chi_square = ((counts - 300).square() / 300).sum().item()
        assert chi_square < 33.7  # 9 degrees of freedom: once in 10,000 above
        distinct = sum(len(set(row)) == 3 for row in batch.labels.tolist())
        assert distinct / 1000 == pytest.approx(0.72, abs=4 * math.sqrt(0.72 * 0.28 / 1000))

    def test_counts_are_those_of_the_labels(self) -> None:
        _, batch = compose("mnist-k", 20)
        expected = [[row.count(name) for name in range(10)] for row in batch.labels.tolist()]
        assert batch.counts(10).tolist() == expected


class TestPixels:
    @pytest.mark.parametrize(("tile", "box"), [(28, 20), (27, 19)])
    def test_centre_is_the_centre_of_the_ink(self, tile: int, box: int) -> None:
        image = torch.zeros(tile, tile, dtype=torch.uint8)
        border = (tile - box) // 2
        image[border : border + box, border : border + box] = 200
        batch = SceneGenerator(one_glyph(image, box), Layout(counts=(1,))).compose(torch.arange(20))
        step = torch.arange(80.0)
        ink = batch.images[:, 0]
        x, y = (ink.sum(1) * step).sum(1) / ink.sum((1, 2)), (ink.sum(2) * step).sum(1) / ink.sum((1, 2))
        centers, sizes = places(batch)
        torch.testing.assert_close(torch.stack((x, y), dim=1), centers[:, 0])
        assert (ink.sum(1) > 0).sum(1).tolist() == sizes[:, 0, 0].tolist()  # the box is as wide as the ink

    def test_tile_is_neither_turned_nor_mirrored(self) -> None:
        image = torch.zeros(28, 28, dtype=torch.uint8)
        image[6, 20] = 255
        batch = SceneGenerator(one_glyph(image, 20), Layout(counts=(1,))).compose(torch.arange(20))
        for scene, center in zip(batch.images[:, 0], places(batch)[0][:, 0], strict=True):
            assert scene.nonzero().tolist() == [[center[1] - 13.5 + 6, center[0] - 13.5 + 20]]

    def test_overlap_adds_up_and_is_clipped_to_one(self) -> None:
        layout = Layout(counts=(1, 2, 3), distance=0.0, side=3, margin=1.0)  # one place for all
        image = torch.full((3, 3), 102, dtype=torch.uint8)
        batch = SceneGenerator(one_glyph(image, 3), layout).compose(torch.arange(20))
        number = (batch.labels >= 0).sum(1)
        assert set(number.tolist()) == {1, 2, 3}
        expected = torch.tensor([0.0, 102 / 255, 204 / 255, 1.0])[number]
        assert torch.equal(batch.images, expected.view(20, 1, 1, 1).expand(20, 1, 3, 3))
