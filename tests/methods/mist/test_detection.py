"""What a MIST classifier finds, on images whose spots tell where."""

import itertools
import math
from contextlib import nullcontext

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from boxless.instances import Instances
from boxless.methods.mist import model as mist
from boxless.ops.padding import inside
from tests.methods.mist.small import Brightness, small_model, spots, spotting_model

PLACES = [(10.0, 8.0), (30.0, 9.0), (21.0, 21.0)]

pytestmark = pytest.mark.usefixtures("exact")


def noise(height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand(1, height, width, generator=torch.Generator().manual_seed(seed))


def assert_same(found: Instances, expected: Instances) -> None:
    np.testing.assert_allclose(found.centers, expected.centers, atol=1e-4)
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
    np.testing.assert_allclose(found.sizes, expected.sizes, atol=1e-4)
    assert found.image_size == expected.image_size


class Favours(torch.nn.Module):
    """A classifier that gives these logits to every patch."""

    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.logits = torch.nn.Parameter(torch.tensor(logits))

    def forward(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        return self.logits.expand(len(patches), -1), patches.flatten(1)


def test_spots_are_found_where_they_are_highest_first() -> None:
    found = spotting_model().detect(spots(PLACES))
    assert found.centers.tolist() == [list(place) for place in PLACES]
    assert found.sizes.tolist() == [[8.0, 8.0]] * 3
    assert found.image_size == (30, 44)


def test_a_label_is_the_best_class_of_the_patch_and_its_probability_the_score() -> None:
    model = spotting_model()
    image = spots(PLACES)
    found = model.detect(image)
    for (x, y), label, score in zip(PLACES, found.labels, found.scores, strict=True):
        patch = F.pad(image, (8, 8, 8, 8))  # sampled half way between pixels: the mean of four
        around = patch[:, int(y) + 4 : int(y) + 13, int(x) + 4 : int(x) + 13]
        samples = (around[:, 1:, 1:] + around[:, 1:, :-1] + around[:, :-1, 1:] + around[:, :-1, :-1]) / 4
        probabilities = model.classifier(samples[None])[0].softmax(-1)[0]
        assert label == probabilities.argmax().item()
        assert score == pytest.approx(probabilities.max().item(), abs=1e-5)


def test_a_peak_lower_than_those_of_the_training_scores_lower() -> None:
    model = spotting_model()
    full = model.detect(spots(PLACES))
    heights = model.heatmap(spots(PLACES)[None])[0, [8, 9, 21], [10, 30, 21]] - 1 / 7**2  # above a flat one
    model.peak_height = heights[0] * 2
    np.testing.assert_allclose(
        model.detect(spots(PLACES)).scores, full.scores * (heights / heights[0] / 2).numpy(), rtol=1e-5
    )
    model.peak_height = heights.min() / 2
    np.testing.assert_allclose(model.detect(spots(PLACES)).scores, full.scores)


def test_k_takes_the_highest() -> None:
    model = spotting_model()
    assert model.detect(spots(PLACES), k=2).centers.tolist() == [list(place) for place in PLACES[:2]]
    more = model.detect(spots([*PLACES, (36.0, 22.0)]), k=4)
    assert more.centers.tolist() == [[10, 8], [30, 9], [21, 21], [36, 22]]


def test_places_that_are_no_peak_do_not_fill_up_to_k() -> None:
    model, image = small_model(), noise(24, 31)
    model.peak_height = torch.tensor(1e-6)
    heatmap = F.pad(model.heatmap(image[None])[0, 2:-2, 2:-2], (2, 2, 2, 2))
    peaks = {
        (x, y)
        for y, x in itertools.product(range(24), range(31))
        if heatmap[y, x] > 0 and heatmap[y, x] == heatmap[max(0, y - 3) : y + 4, max(0, x - 3) : x + 4].max()
    }
    found = model.detect(image, k=24 * 31)
    assert len(found) == len(peaks)
    assert {(int(x), int(y)) for x, y in found.centers} == peaks


def test_a_threshold_takes_all_of_at_least_that_score_and_k_at_most_so_many() -> None:
    model, image = small_model(instances=2), noise(40, 60)
    model.peak_height = torch.tensor(0.05)
    everything = model.detect(image, threshold=0.0)
    assert len(everything) > 10
    limit = float(np.sort(everything.scores)[len(everything) // 2])
    some = model.detect(image, threshold=limit)
    assert_same(some, everything.above(limit))
    assert 0 < len(some) < len(everything)
    assert (model.detect(image, threshold=limit, k=4).scores >= limit).all()
    assert len(model.detect(image, threshold=0.0, k=4)) == 4


def test_what_is_found_does_not_depend_on_the_other_images_of_a_batch() -> None:
    """Two peaks of an image are worth a look, and more of another: its third is not looked at for that."""
    model = small_model()
    faint, strong = 0.05 * noise(30, 44), noise(30, 44, seed=1)
    heights = model.extract(model.responses(torch.stack([faint, strong])), 8).heights
    least = heights[0, 1:3].mean()
    assert (heights[1] > least).sum() > 2
    model.peak_height = least / mist.LEAST_HEIGHT
    alone = model.detect(faint, threshold=0.0)
    beside, _ = model.detect([faint, strong], threshold=0.0)
    assert len(alone) == 2
    assert_same(beside, alone)


def test_background_is_left_out_and_never_a_label() -> None:
    model = spotting_model(background=True)
    image = spots(PLACES)
    model.classifier = Favours(0.0, 1.0, 0.0, 2.0)  # type: ignore[assignment]
    assert len(model.detect(image)) == 0
    assert len(model.detect(image, threshold=0.0)) == 0
    model.classifier = Favours(0.0, 2.0, 0.0, 1.0)  # type: ignore[assignment]
    found = model.detect(image)
    assert found.names == ["b"] * 3
    assert found.scores.tolist() == pytest.approx([math.exp(2) / (2 + math.exp(1) + math.exp(2))] * 3)


def test_only_patches_of_background_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("boxless.methods.detector.autocast", lambda device: nullcontext())
    model, image = small_model(background=True, instances=12), noise(40, 60)
    model.peak_height = torch.tensor(1e-6)
    logits = model(image[None]).logits[0]
    leads = (logits[:, :3].max(-1).values - logits[:, 3]).sort().values
    model.classifier.classify.bias.data[3] += leads[5:7].mean()  # half of them are background, by a margin
    output = model(image[None])
    probabilities = output.logits[0].softmax(-1)
    kept = (probabilities[:, :3].max(-1).values >= probabilities[:, 3]) & output.valid[0]
    assert 3 <= kept.sum() <= 9
    np.testing.assert_allclose(model.detect(image).centers, output.centers[0][kept].numpy())


@given(dx=st.integers(-4, 5), dy=st.integers(-3, 4))
def test_detection_moves_with_the_image_by_whole_pixels(dx: int, dy: int) -> None:
    model = spotting_model()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("boxless.methods.detector.autocast", lambda device: nullcontext())
        before = model.detect(spots(PLACES, 44, 60).roll((6, 5), dims=(1, 2)))
        after = model.detect(spots(PLACES, 44, 60).roll((6 + dy, 5 + dx), dims=(1, 2)))
    np.testing.assert_array_equal(after.centers, before.centers + np.array([dx, dy]))
    np.testing.assert_array_equal(after.labels, before.labels)
    np.testing.assert_allclose(after.scores, before.scores, atol=1e-6)


def test_a_spot_between_pixels_is_found_there_with_a_soft_argmax() -> None:
    place = (20.3, 13.6)
    on_pixels = spotting_model(instances=1).detect(spots([place])).centers[0]
    between = spotting_model(instances=1, refine_size=5).detect(spots([place])).centers[0]
    assert on_pixels.tolist() == [20.0, 14.0]
    assert np.abs(between - place).max() < 0.15


@pytest.mark.parametrize(("height", "width"), [(20, 30), (20, 31), (31, 20)])
def test_places_are_pixels_of_the_image_that_was_given_also_when_it_is_shrunk(height: int, width: int) -> None:
    """Each pixel of the shrunk image is a block of 3×3; the middle of a block p is pixel 3p + 1."""
    place = (9.0, 12.0)
    large = spots([place], height, width).repeat_interleave(3, dim=1).repeat_interleave(3, dim=2)
    model = spotting_model(instances=1, max_side=max(height, width))
    found = model.detect(large)
    assert found.centers.tolist() == [[pytest.approx(28.0), pytest.approx(37.0)]]
    assert found.sizes.tolist() == [[pytest.approx(24.0), pytest.approx(24.0)]]
    assert found.image_size == (3 * height, 3 * width)


def test_images_of_any_size_are_shrunk_by_one_factor() -> None:
    """An object of 24 pixels is one of 8 to the network, in a small image as in a large one."""
    model = spotting_model(instances=1, shrink=1 / 3)
    for height, width in ((20, 30), (40, 50)):
        large = spots([(9.0, 12.0)], height, width).repeat_interleave(3, dim=1).repeat_interleave(3, dim=2)
        found = model.detect(large)
        assert found.centers.tolist() == [[pytest.approx(28.0), pytest.approx(37.0)]]
        assert found.sizes.tolist() == [[pytest.approx(24.0), pytest.approx(24.0)]]


def test_sides_that_are_rounded_have_each_its_own_scale() -> None:
    """90×61 becomes 30×20: a spot at the middle stays at the middle, and boxes are 3 by 3.05 times as large."""
    model = spotting_model(instances=1, max_side=30, softmax_strength=50.0)
    found = model.detect(spots([(44.5, 30.0)], 61, 90).clamp(0, 0.9))
    x, y = found.centers[0].tolist()
    assert found.sizes[0].tolist() == [pytest.approx(24.0), pytest.approx(8 * 61 / 20)]
    assert abs(x - 44.5) <= 1.51  # half a pixel of the shrunk image
    assert abs(y - 30.0) <= 1.53
    assert (x + 0.5) / 3 % 1 == pytest.approx(0.5, abs=1e-4)
    assert (y + 0.5) / 3.05 % 1 == pytest.approx(0.5, abs=1e-4)


@pytest.mark.parametrize("blocks", [1, 6])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (5, 3)])
def test_an_image_smaller_than_the_windows_is_seen(blocks: int, height: int, width: int) -> None:
    model = small_model(heatmap_blocks=blocks, softmax_size=5)
    found = model.detect(torch.ones(1, height, width), k=50)
    assert (found.centers >= 0).all()
    assert (found.centers < (width, height)).all()
    if (height, width) == (1, 1):
        assert found.centers.tolist() in ([], [[0.0, 0.0]])


def test_peaks_keep_away_from_the_border() -> None:
    model = small_model(border=5)
    model.peak_height = torch.tensor(1e-6)
    for seed in range(5):
        centers = model.detect(noise(30, 44, seed), threshold=0.0).centers
        assert len(centers) > 3
        assert ((centers >= 5) & (centers <= (44 - 6, 30 - 6))).all()


def test_responses_are_zero_in_the_border_of_the_image_or_of_each_extent() -> None:
    model, extents = small_model(border=2), torch.tensor([[25, 34], [30, 28]])
    images = torch.stack((noise(30, 34), noise(30, 34, seed=1)))
    whole, parts = model.responses(images), model.responses(images, extents=extents)
    for both, sizes in ((whole, torch.tensor([[30, 34]])), (parts, extents)):
        for responses in both:
            inner = inside(sizes, 2, responses).unsqueeze(1).expand_as(responses)
            assert (responses[inner] > 0).all()
            assert not responses[~inner].any()


def test_what_lies_in_the_border_takes_nothing_off_an_object_beside_it() -> None:
    def ridge(images: Tensor) -> Tensor:
        scores = torch.zeros_like(images)
        scores[:, :, 8, 10] = 1.0
        scores[:, :, :2] = 4.0
        return scores

    model = small_model(border=2)
    for responses in model.responses(torch.zeros(1, 1, 30, 34), ridge):
        assert divmod(int(model.pool(responses)[0].argmax()), 34) == (8, 10)


def test_an_object_beside_a_far_stronger_one_is_found_before_a_flat_corner() -> None:
    """On a slope towards the stronger one it is lower than what is flat in the heatmap that is learned."""

    def beside_a_slope(images: Tensor) -> Tensor:
        y, x = torch.meshgrid(torch.arange(30.0), torch.arange(44.0), indexing="ij")
        to_weak, to_strong = (((x - left) ** 2 + (y - 15) ** 2).sqrt() for left in (14, 24))
        scores = 0.6 * (14 - to_strong).clamp_min(0.0) + 1.2 * (1 - to_weak / 2).clamp_min(0.0)
        return scores.expand(len(images), 1, -1, -1)

    model = small_model(instances=2, border=0)
    responses = model.responses(torch.zeros(1, 1, 30, 44), beside_a_slope)
    sharp, soft = (model.pool(maps)[0] for maps in responses)
    assert sharp[15, 14] < model.flat_height < soft[15, 14]
    found = model.extract(responses, 2)
    assert found.keypoints.centers[0].tolist() == [[24.0, 15.0], [14.0, 15.0]]
    as_in_the_paper = small_model(instances=2, border=0, peak_strength=10.0)
    found = as_in_the_paper.extract(as_in_the_paper.responses(torch.zeros(1, 1, 30, 44), beside_a_slope), 2)
    assert found.keypoints.centers[0, 1].tolist() != [14.0, 15.0]


def tiled(monkeypatch: pytest.MonkeyPatch, tile: int) -> None:
    monkeypatch.setattr(mist, "TILE", tile)


@pytest.mark.parametrize(("height", "width"), [(70, 133), (133, 70), (12, 150)])
def test_tiles_of_a_large_image_equal_the_whole(height: int, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model = spotting_model(instances=40)
    image = noise(height, width)
    at_once, whole = model.responses(image[None]), model.detect(image)
    tiled(monkeypatch, 16)
    torch.testing.assert_close(model._seen(image[None]), at_once)
    assert_same(model.detect(image), whole)


def test_the_halo_of_a_tile_covers_the_reach_of_the_network_and_of_the_softmax(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the layer norms out of it, tiles of a deep network with a wide softmax equal the whole too."""
    model = small_model(heatmap_blocks=8, softmax_size=41)
    for block in model.heatmap_net.blocks:
        block.norm1 = block.norm2 = torch.nn.Identity()
    image = noise(90, 200)[None] / 100  # small scores: nothing saturates in the softmax
    whole = model.responses(image)
    tiled(monkeypatch, 48)
    torch.testing.assert_close(model._seen(image), whole, rtol=1e-4, atol=1e-6)


def test_the_network_sees_no_more_of_a_large_image_at_once_than_a_tile() -> None:
    model = spotting_model(instances=3)
    places = [(700.0, 30.0), (2400.0, 1055.0), (511.0, 1536.0)]  # the last on the seam of four tiles
    found = model.detect(spots(places, 1600, 2500))
    assert found.centers.tolist() == [list(place) for place in places]
    assert isinstance(model.heatmap_net, Brightness)
    assert model.heatmap_net.largest <= 600


def test_images_are_seen_together_only_while_they_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    model = spotting_model()
    images = [spots(PLACES).roll(number, dims=2) for number in range(7)]
    whole = model.detect(images)
    numbers: list[int] = []
    model.heatmap_net.register_forward_pre_hook(lambda _, seen: numbers.append(len(seen[0])))
    monkeypatch.setitem(mist.PIXELS_AT_ONCE, "cpu", 3 * 30 * 44)
    for found, expected in zip(model.detect(images), whole, strict=True):
        assert_same(found, expected)
    assert numbers == [3, 3, 1]


def test_many_patches_are_classified_in_parts_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    model, image = small_model(), noise(60, 80)
    model.peak_height = torch.tensor(1e-6)
    whole = model.detect(image, threshold=0.0)
    assert len(whole) > 20
    sizes: list[int] = []
    model.classifier.register_forward_pre_hook(lambda _, patches: sizes.append(len(patches[0])))
    monkeypatch.setattr(mist, "PATCHES_AT_ONCE", 7)
    assert_same(model.detect(image, threshold=0.0), whole)
    assert max(sizes) == 7


def test_scores_measured_on_other_images_are_in_proportion_to_their_peaks() -> None:
    """On spots of a third of the brightness the usual peak has a score near 1 again; an image counts as another."""
    model = spotting_model(instances=3)
    faint = [spots(PLACES) / 3, spots([*PLACES[:2], (33.0, 24.0)], height=36) / 3, spots(PLACES)[:, :12, :12] / 3]
    model.measure_scores(faint)
    heights = []
    for image in faint:
        responses = model._seen(image[None])
        heights.append(model.heights_at(responses, model.learned_peaks(responses, 3).keypoints.centers).clamp_min(0))
    assert float(model.peak_height) == pytest.approx(float(torch.stack(heights).mean()), abs=2e-6)
    before = float(model.peak_height)
    model.measure_scores([])
    assert float(model.peak_height) == before
