"""Scale space: one network at several scales, sizes told between them, both versions of the paper."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

from boxless.data.batch import Batch
from boxless.methods.mist.classification.training import MistClassifierTraining
from boxless.methods.mist.config import MistClassifierTrainingConfig
from boxless.methods.mist.model import Keypoints, Responses
from boxless.ops.lifting import lift
from tests.engine.bare import fit
from tests.methods.mist.small import Brightness, small_model, spots, spotting_model

pytestmark = pytest.mark.usefixtures("exact")

SCALES = (0.75, 1.0, 1.5, 2.0)


@pytest.mark.parametrize("pooling", ["softmax", "sum"])
def test_the_peaks_of_lifted_keypoints_are_the_keypoints_with_their_sizes(pooling: Any) -> None:
    model = small_model(scales=SCALES, scale_pooling=pooling, border=0)
    centers = torch.tensor([[[10.0, 8.0], [30.0, 9.0], [21.0, 22.0]], [[5.0, 25.0], [40.0, 4.0], [22.0, 14.0]]])
    sides = torch.tensor([[6.0, 9.5, 16.0], [7.0, 8.0, 13.1]])
    responses = lift(centers, sides, model.scale_sides(centers), (30, 44), None)
    found = model.extract(Responses(responses, responses), 3).keypoints
    for sample in range(2):
        distance = torch.cdist(centers[sample], found.centers[sample])
        assert distance.min(1).values.tolist() == [0.0, 0.0, 0.0]
        torch.testing.assert_close(found.sides[sample][distance.argmin(1)], sides[sample])


def test_an_enlarged_image_has_at_a_larger_scale_what_the_image_has() -> None:
    """Twice the image at twice the scale: the same responses at the same places of the scene, as high."""
    model = spotting_model(scales=(1.0, 2.0), object_size=6.0)
    image = spots([(12.0, 9.0), (31.0, 18.0)])[None]
    double = F.interpolate(image, scale_factor=2, mode="bilinear", align_corners=False)
    small, large = model.responses(image).sharp[:, :1], model.responses(double).sharp[:, 1:]
    assert large.shape == (1, 1, 60, 88)
    back = F.interpolate(large, scale_factor=0.5, mode="bilinear", align_corners=False)
    torch.testing.assert_close(back, small, rtol=0.1, atol=0.02)
    assert large.amax() > 0.7 * small.amax()  # but for the resizing; over pixels the softmax gives a quarter
    assert not torch.allclose(model.responses(double).sharp[:, :1], large, atol=0.02)


def test_detection_tells_sizes_by_the_sharp_responses_as_the_model_itself_does() -> None:
    model = spotting_model(scales=(1.0, 2.0), object_size=6.0, softmax_strength=30.0, peak_strength=5.0)
    image = spots([(12.0, 9.0), (31.0, 18.0)])
    output, found = model(image[None], 2), model.detect(image, k=2)
    np.testing.assert_array_equal(found.centers, output.centers[0].numpy())
    np.testing.assert_allclose(found.sizes, output.sizes[0].detach().numpy(), rtol=1e-5)


def test_the_border_of_a_scale_is_as_many_pixels_of_the_smaller_image() -> None:
    model = spotting_model(scales=(1.0, 2.0), border=3)
    seen = (model.responses(torch.rand(1, 1, 40, 60)).soft > 0)[0]
    for scale, first in ((0, 3), (1, 6)):
        rows, columns = (seen[scale].any(axis).nonzero().flatten() for axis in (1, 0))
        assert abs(int(rows[0]) - first) <= scale
        assert abs(int(rows[-1]) - (39 - first)) <= scale
        assert abs(int(columns[0]) - first) <= scale
        assert abs(int(columns[-1]) - (59 - first)) <= scale


def test_padding_is_left_out_at_every_scale() -> None:
    """An image padded to the size of another, as its extent tells, and by itself."""
    model = spotting_model(scales=(1.0, 2.0), border=2)
    image = spots([(12.0, 9.0), (31.0, 18.0)])[None]
    padded = F.pad(image, (0, 12, 0, 10))
    padded_maps = model.responses(padded, extents=torch.tensor([[30.0, 44.0]]))
    for found, alone in zip(padded_maps, model.responses(image), strict=True):
        assert not found[..., 31:, :].any()
        assert not found[..., 45:].any()
        torch.testing.assert_close(found[..., :28, :42], alone[..., :28, :42], rtol=0.02, atol=0.02)


def test_a_scale_of_one_changes_nothing() -> None:
    one, several = spotting_model(), spotting_model(scales=(1.0, 1.5))
    image = spots([(12.0, 9.0), (31.0, 18.0)])[None]
    for ours, alone in zip(several.responses(image), one.responses(image), strict=True):
        torch.testing.assert_close(ours[:, :1], alone)


def test_2018_divides_by_the_sum_over_scales_and_takes_the_highest() -> None:
    model = small_model(scales=(1.0, 2.0), scale_pooling="sum")
    responses = torch.rand(2, 2, 6, 7, generator=torch.Generator().manual_seed(0))
    expected = torch.maximum(responses[:, 0], responses[:, 1]) / (responses[:, 0] + responses[:, 1] + 1e-6)
    torch.testing.assert_close(model.pool(responses), expected)


def test_in_tiles_a_large_image_gives_nearly_the_same() -> None:
    """But for the places of pixels in a resized tile, which are not those of the resized image."""
    places = [(float(x), float(y)) for x in range(60, 640, 97) for y in range(50, 560, 101)]
    image = spots([(0.0, 0.0)] * 0 + places[:9], height=560, width=640)[None]
    model = spotting_model(scales=(1.0, 1.5), instances=9, suppression_size=21)
    tiled = model._seen(image)
    assert isinstance(model.heatmap_net, Brightness)
    whole = model.responses(image)
    for ours, maps in zip(tiled, whole, strict=True):
        assert (ours - maps).abs().max() < 0.05 * maps.max()
    found, expected = model.extract(tiled, 9).keypoints, model.extract(whole, 9).keypoints
    order = [np.lexsort(one.centers[0].round().numpy().T) for one in (found, expected)]
    torch.testing.assert_close(found.centers[0][order[0]], expected.centers[0][order[1]], rtol=0.0, atol=1.0)


SETTINGS = {
    "2021, registration": MistClassifierTrainingConfig(averaging=0.0),
    "2021": MistClassifierTrainingConfig(keypoint_step="gradient", keypoint_rate=300.0, reconstruction=0.0),
    "2018": MistClassifierTrainingConfig(
        keypoint_step="gradient",
        keypoint_rate=300.0,
        keypoint_steps=2,
        task_first=True,
        task_loss="cross-entropy",
        reconstruction=0.0,
        target_sigma=0.0,
    ),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_training_takes_steps_and_sizes_stay_within_the_scales(name: str) -> None:
    pooling: Any = "sum" if name == "2018" else "softmax"
    model = small_model(scales=SCALES, scale_pooling=pooling).train()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    images = torch.stack((spots([(12.0, 9.0), (31.0, 18.0)]), spots([(30.0, 8.0), (10.0, 20.0)])))
    batch = Batch(images, torch.tensor([[0, 1], [1, 2]]))
    training = MistClassifierTraining(model, replace(SETTINGS[name], warmup=1), 3, compile=False)
    fit(training, DataLoader([batch] * 3, batch_size=None))  # type: ignore[arg-type]
    changed = [not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True)]
    assert sum(changed) > 0.9 * len(changed)
    found = model.eval().detect(images[0])
    assert ((found.sizes >= 8.0 * SCALES[0] - 1e-4) & (found.sizes <= 8.0 * SCALES[-1] + 1e-4)).all()
    assert np.array_equal(found.sizes[:, 0], found.sizes[:, 1])


def test_scales_whose_peaks_lie_apart_tell_the_size_together() -> None:
    """The peak of scale 2 a few pixels off that of scale 1, as far as two pixels of its smaller image; not farther."""
    model = small_model(scales=(1.0, 2.0), object_size=8.0, border=0)
    for away, expected in ((3, 12.0), (4, 12.0), (5, 8.0)):
        responses = torch.zeros(1, 2, 30, 44)
        responses[0, 0, 12, 20], responses[0, 1, 12, 20 + away] = 0.5, 0.5
        peak = responses[:, :1].repeat(1, 2, 1, 1)
        found = model.extract(Responses(responses, peak), 1).keypoints
        assert found.centers.tolist() == [[[20.0, 12.0]]]
        assert found.sides.item() == pytest.approx(expected)


def test_growth_is_limited_and_ends_within_the_scales() -> None:
    training = MistClassifierTraining(small_model(scales=SCALES), SETTINGS["2021"], 1, compile=False)
    batch = Batch(torch.zeros(1, 1, 30, 44), torch.zeros(1, 3, dtype=torch.int64))
    places = torch.full((1, 3, 2), 15.0)
    before, after = (
        Keypoints(places, torch.tensor([[8.0, 7.0, 15.0]])),
        Keypoints(places, torch.tensor([[19.0, 5.0, 17.5]])),
    )
    assert training._within(batch, before, after).sides.tolist() == [[11.0, 6.0, 16.0]]
