"""MIST on a frozen backbone: where cells lie, what is learned from, what is saved."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from boxless.data.batch import Batch
from boxless.errors import BoxlessError
from boxless.methods.mist.backbone.augmentation import augmented, flipped, masked
from boxless.methods.mist.backbone.config import MistBackboneConfig, MistBackboneTrainingConfig
from boxless.methods.mist.backbone.model import Boxes, Maps, MistBackbone
from boxless.methods.mist.backbone.training import MistBackboneTraining, keypoint_loss, nearest_cells, response_loss
from boxless.nets.backbone import Backbone, FeatureNet, HubNet
from boxless.nets.squeezenet import SqueezeNet
from tests.engine.bare import fit

DATA = Path(os.environ.get("BOXLESS_DATA", ""))
WITH_WEIGHTS = pytest.mark.skipif(
    not (DATA / "weights" / "squeezenet1_0.npz").is_file(), reason="BOXLESS_DATA has no weights"
)


def model(**given: Any) -> MistBackbone:
    torch.manual_seed(0)
    settings: dict[str, Any] = {
        "class_names": ("a", "b"),
        "backbone": "squeezenet",
        "shorter_edge": 96,
        "classifier_channels": 8,
    }
    return MistBackbone(MistBackboneConfig(**(settings | given))).eval()


def seen_from(net: FeatureNet, row: int, column: int) -> tuple[float, float]:
    """The middle, x and y, of the pixels that a cell depends on."""
    images = torch.rand(1, 3, 224, 256, generator=torch.Generator().manual_seed(0)).requires_grad_()
    net(images)[0, :, row, column].sum().backward()
    assert images.grad is not None
    rows, columns = images.grad.abs().sum(1)[0].nonzero().unbind(1)
    return (columns.min() + columns.max()).item() / 2, (rows.min() + rows.max()).item() / 2


def test_a_cell_of_squeezenet_lies_where_its_pixels_do() -> None:
    torch.manual_seed(0)
    net = SqueezeNet()
    assert seen_from(net, row=6, column=8) == (net.first + 16 * 8, net.first + 16 * 6)


def test_a_cell_of_a_resnet_lies_where_its_pixels_do() -> None:
    pytest.importorskip("transformers")
    torch.manual_seed(0)
    net = HubNet(
        "tiny",
        '{"model_type": "resnet", "embedding_size": 16, "hidden_sizes": [16, 16, 16], "depths": [1, 1, 1],'
        '"layer_type": "basic", "out_features": ["stage3"]}',
    ).eval()
    assert seen_from(net, row=6, column=8) == (16 * 8, 16 * 6)


def test_a_network_of_patches_has_its_cells_in_their_middle() -> None:
    pytest.importorskip("transformers")
    net = HubNet(
        "tiny",
        '{"model_type": "dinov2", "hidden_size": 4, "num_hidden_layers": 1,"num_attention_heads": 1, "image_size": 28}',
    )
    assert (net.first, net.stride) == (6.5, 14)
    assert net(torch.rand(1, 3, 56, 70)).shape[2:] == (4, 5)


def planted(peaks: list[tuple[int, int, float, float, float]], height: int, width: int) -> Maps:
    """Maps of a single image with (column, row, response, x-offset, y-offset)."""
    response, offsets = torch.zeros(1, height, width), torch.zeros(1, 2, height, width)
    for column, row, value, x, y in peaks:
        response[0, row, column] = value
        offsets[0, :, row, column] = torch.tensor([x, y])
    return Maps(response, offsets, torch.full((1, 2, height, width), 48.0))


def test_a_place_is_the_middle_of_its_cell_plus_the_offset() -> None:
    maps = planted([(7, 2, 0.9, 0.25, -0.5), (1, 4, 0.5, -0.125, 3.0)], height=6, width=9)
    found = model().extract(maps, 2)
    expected = [[8 + 16 * 7.25, 8 + 16 * 1.5], [8 + 16 * 0.875, 8 + 16 * 4.5]]  # the last y stops at the cell's border
    assert found.boxes.centers[0].tolist() == expected
    assert found.heights[0].tolist() == pytest.approx([0.9, 0.5])


def test_a_new_head_sees_next_to_nothing() -> None:
    assert 0.01 < model()(torch.rand(1, 3, 96, 128)).response.mean() < 0.15


def test_no_keypoint_lies_in_the_padding_even_where_peaks_are_too_few() -> None:
    maps = planted([(1, 1, 0.4, 0, 0), (7, 2, 0.9, 0, 0)], height=6, width=9)
    extents = torch.tensor([[50, 70]])  # 3 rows and 4 columns of cells: 8 + 16·2 < 50, 8 + 16·3 < 70
    found = model().extract(maps, 12, extents)
    assert found.boxes.centers[0, 0].tolist() == [24.0, 24.0]
    places = {tuple(place) for place in found.boxes.centers[0].tolist()}
    assert places == {(8.0 + 16 * x, 8.0 + 16 * y) for x in range(4) for y in range(3)}


def test_cells_beyond_the_image_show_nothing_in_detection_either() -> None:
    """SqueezeNet has a column of cells more than have their middle in an image 243 pixels wide."""
    detector = model(shorter_edge=224, instances=9)
    image = torch.rand(3, 224, 243, generator=torch.Generator().manual_seed(2))
    assert detector(image[None]).response.shape[2] == 16
    assert detector.cells_in(torch.tensor([[224, 243]]), torch.zeros(1, 14, 16)).tolist() == [[14, 15]]
    centers = detector(image[None], k=14 * 15).centers
    assert (centers <= centers.new_tensor([242.5, 223.5])).all()


def test_networks_that_leave_a_rest_of_the_image_out_have_no_cell_there() -> None:
    """Patches of 14 pixels, of which 335 hold 23 and a rest that would be a cell by its middle."""
    detector = model()
    detector.backbone.net.stride, detector.backbone.net.first = 14, 6.5
    extents = torch.tensor([[335, 224], [100, 224]])
    assert detector.backbone.cells_of(extents).tolist() == [[24, 16], [7, 16]]
    assert detector.cells_in(extents, torch.zeros(2, 23, 16)).tolist() == [[23, 16], [7, 16]]


def test_anchors_are_averaged_by_the_softmax_of_their_scores() -> None:
    detector = model(anchors=True, shorter_edge=224)
    with torch.no_grad():
        last = detector.head[-1]
        assert isinstance(last, torch.nn.Conv2d)
        assert last.bias is not None
        last.weight.zero_()
        last.bias[3:] = torch.tensor([0.1, 0.2, 0.3, 0.4]).log()
    sizes = detector.maps(torch.zeros(1, 512, 3, 4)).sizes[0, :, 1, 2]
    widths, heights = [56, 56, 168, 168], [56, 168, 56, 168]
    expected = [float(np.dot([0.1, 0.2, 0.3, 0.4], side)) for side in (widths, heights)]
    assert sizes.tolist() == pytest.approx(expected)


def test_sizes_stay_in_float32_whatever_the_network_computes_in() -> None:
    """In bfloat16 a size of 100 pixels has steps of half a pixel, and no move of it would show."""
    detector = model(anchors=True, shorter_edge=224)
    with torch.autocast("cpu", torch.bfloat16):
        maps = detector.maps(torch.rand(1, 512, 3, 4))
    assert (maps.sizes.dtype, maps.offsets.dtype) == (torch.float32, torch.float32)


def test_places_are_told_in_pixels_of_the_image_that_is_given() -> None:
    detector = model(instances=3)
    small = torch.rand(1, 3, 96, 144, generator=torch.Generator().manual_seed(1))
    large = small.repeat_interleave(2, 2).repeat_interleave(3, 3)  # shrunk again it is nearly the same
    resized = detector.resized(large)
    assert resized.shape[2] == 96
    with torch.no_grad():
        output = detector(large)
        found = detector.extract(detector.maps(detector.features(resized)), 3).boxes.centers
    scale = large.new_tensor([large.shape[3] / resized.shape[3], large.shape[2] / resized.shape[2]])
    torch.testing.assert_close(output.centers, (found + 0.5) * scale - 0.5)


class Told(MistBackbone):
    """Its maps are told, one for each image of a batch; it counts how often it is asked for them."""

    asked = 0
    told: Maps

    def maps(self, features: Tensor) -> Maps:
        self.asked += 1
        return Maps(*(values[: len(features)] for values in self.told))


def test_all_peaks_are_those_worth_a_look_whatever_other_images_have() -> None:
    detector = Told(model().config).eval()
    few = planted([(1, 1, 0.9, 0, 0), (4, 1, 0.02, 0, 0)], height=6, width=9)
    many = planted([(x, y, 0.8, 0, 0) for x in (0, 4, 8) for y in (1, 4)], height=6, width=9)
    detector.told = Maps(*(torch.cat(pair) for pair in zip(few, many, strict=True)))
    with torch.no_grad():
        detector.classifier.classify.bias[-1] = -100.0  # nothing is background
    images = [torch.zeros(3, 96, 144), torch.ones(3, 96, 144)]
    assert [len(one) for one in detector.detect(images, threshold=0.0)] == [1, 6]
    assert detector.asked == 1
    assert [len(one) for one in detector.detect(images, k=2)] == [2, 2]


def test_response_targets_are_gaussians_at_the_keypoints_cells() -> None:
    cells, sigma = torch.tensor([[[3.0, 1.0], [0.0, 2.0]]]), 0.7
    within = torch.ones(1, 4, 5, dtype=torch.bool)
    within[..., 4] = False
    response = torch.rand(1, 4, 5, generator=torch.Generator().manual_seed(0))
    squares = []
    for row in range(4):
        for column in range(4):
            heights = [np.exp(-((column - x) ** 2 + (row - y) ** 2) / (2 * 0.49)) for x, y in ((3, 1), (0, 2))]
            squares.append((response[0, row, column].item() - max(heights)) ** 2)
    assert response_loss(response, cells, sigma, within).item() == pytest.approx(np.mean(squares), rel=1e-5)


def test_offsets_are_learned_at_keypoints_alone_by_huber() -> None:
    maps = torch.zeros(1, 2, 3, 4, requires_grad=True)
    places = torch.tensor([[[2.25, 1.0], [0.0, 3.5]]])
    cells = nearest_cells(places, torch.tensor([[3, 4]]))
    assert cells.tolist() == [[[2.0, 1.0], [0.0, 2.0]]]  # the second one is outside of the map
    loss = keypoint_loss(maps, cells, places - cells)
    assert loss.tolist() == pytest.approx([(0.5 * 0.25**2 + (1.5 - 0.5)) / 2])
    loss.sum().backward()
    assert maps.grad is not None
    assert maps.grad.nonzero().tolist() == [[0, 0, 1, 2], [0, 1, 2, 0]]


def test_a_flip_mirrors_the_image_and_leaves_its_padding() -> None:
    images = torch.rand(2, 3, 4, 7)
    extents = torch.tensor([[4, 5], [3, 7]])
    out = flipped(images, extents, torch.tensor([True, False]))
    assert torch.equal(out[0, :, :, :5], images[0, :, :, :5].flip(-1))
    assert torch.equal(out[0, :, :, 5:], images[0, :, :, 5:])
    assert torch.equal(out[1], images[1])


def test_a_masked_square_has_its_mean_colour_and_the_rest_stays() -> None:
    images = torch.rand(1, 3, 9, 12)
    out = masked(images, torch.tensor([[8, 10]]), torch.tensor([4.2]), torch.tensor([[0.99, 0.5]]))
    expected = images.clone()  # 4 pixels a side; the corner is among 5 rows, and 7 columns
    expected[0, :, 4:8, 3:7] = images[0, :, 4:8, 3:7].mean(dim=(1, 2))[:, None, None]
    torch.testing.assert_close(out, expected)


def test_augmentation_depends_on_seed_and_step_alone() -> None:
    images, extents = torch.rand(4, 3, 20, 20), torch.full((4, 2), 20)
    assert torch.equal(augmented(images, extents, 1, 5), augmented(images, extents, 1, 5))
    for seed, step in ((1, 6), (2, 5)):
        assert not torch.equal(augmented(images, extents, 1, 5), augmented(images, extents, seed, step))


def trained(detector: MistBackbone, **settings: Any) -> MistBackboneTraining:
    batch = Batch(
        torch.rand(2, 3, 100, 120, generator=torch.Generator().manual_seed(0)),
        torch.tensor([[0, -1], [1, 1]]),
        extents=torch.tensor([[100, 80], [90, 120]]),
    )
    values = {"pretrained": False, "heatmap_rate": 1e-3, "task_rate": 1e-3} | settings
    training = MistBackboneTraining(detector, MistBackboneTrainingConfig(**values), 1, compile=False)
    fit(training, DataLoader([batch], batch_size=None))  # type: ignore[arg-type]
    assert training.steps_done == 1
    return training


@pytest.mark.parametrize("anchors", [False, True])
def test_a_step_changes_the_heads_and_not_the_backbone(anchors: bool) -> None:
    detector = model(anchors=anchors)
    before = {name: weight.clone() for name, weight in detector.state_dict().items()}
    trained(detector)
    for name, weight in detector.state_dict().items():
        assert torch.equal(weight, before[name]) == name.startswith("backbone."), name


def test_a_keypoint_moves_down_the_slope_of_the_task_loss() -> None:
    detector = model(instances=1)
    training = MistBackboneTraining(detector, MistBackboneTrainingConfig(pretrained=False), 1, compile=False)
    features = torch.rand(1, 512, 6, 6, generator=torch.Generator().manual_seed(0))
    extents, targets = torch.tensor([[96, 96]]), torch.tensor([[1.0, 0.0, 0.0]])

    def loss(x: float, y: float) -> float:
        boxes = Boxes(torch.tensor([[[x, y]]]), torch.full((1, 1, 2), 48.0))
        probabilities = detector.classify(features, boxes).softmax(-1)[:, 0]
        return float(0.5 * (targets - probabilities).square().sum())

    start = Boxes(torch.tensor([[[43.0, 50.0]]]), torch.full((1, 1, 2), 48.0))
    moved = training._step_keypoints(features, start, targets, extents).centers[0, 0] - start.centers[0, 0]
    with torch.no_grad():
        slope = [5 * (loss(43.1, 50) - loss(42.9, 50)), 5 * (loss(43, 50.1) - loss(43, 49.9))]
    torch.testing.assert_close(moved, -62.5 * torch.tensor(slope), rtol=0.05, atol=2e-3)


def test_a_saved_model_needs_neither_weights_nor_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = model(anchors=True)
    picture = np.random.default_rng(0).random((130, 100, 3), dtype=np.float32)
    detector.save(tmp_path)
    monkeypatch.setattr(Backbone, "read_pretrained", lambda self: pytest.fail("weights are fetched"))
    monkeypatch.setattr("boxless.nets.backbone._architecture_of", lambda name: pytest.fail("the hub is asked"))
    loaded = MistBackbone.load(tmp_path)
    image = torch.from_numpy(picture).permute(2, 0, 1)[None]
    with torch.no_grad():
        ours, theirs = detector(image), loaded(image)
    torch.testing.assert_close(ours.centers, theirs.centers)
    torch.testing.assert_close(ours.logits, theirs.logits)  # but for the layout of the convolutions


def test_a_saved_model_of_the_hub_is_built_from_its_own_architecture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("transformers")
    architecture = (
        '{"model_type": "resnet", "embedding_size": 4, "hidden_sizes": [4, 4, 8], "depths": [1, 1, 1],'
        '"layer_type": "basic", "out_features": ["stage3"]}'
    )
    monkeypatch.setattr("boxless.nets.backbone._architecture_of", lambda name: architecture)
    detector = model(backbone="microsoft/resnet-34")
    detector.save(tmp_path)
    monkeypatch.setattr("boxless.nets.backbone._architecture_of", lambda name: pytest.fail("the hub is asked"))
    image = torch.rand(1, 3, 96, 112)
    with torch.no_grad():
        torch.testing.assert_close(MistBackbone.load(tmp_path)(image).logits, detector(image).logits)


def test_a_missing_transformers_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(BoxlessError, match=r"pip install 'boxless\[transformers\]'"):
        model(backbone="microsoft/resnet-34")


def test_missing_weights_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BOXLESS_DATA", str(tmp_path))
    with pytest.raises(BoxlessError, match=r"weights/squeezenet1_0.npz.*BOXLESS_DATA"):
        SqueezeNet().read_pretrained()


@WITH_WEIGHTS
def test_the_real_weights_know_a_zebra() -> None:
    backbone = Backbone("squeezenet")
    backbone.read_pretrained()
    with np.load(DATA / "weights" / "squeezenet1_0.npz") as file:
        weight, bias = (torch.from_numpy(file[f"conv10.{name}"]) for name in ("weight", "bias"))
    (path,) = (DATA / "coco128" / "images").rglob("000000000034.jpg")
    with Image.open(path) as picture:
        pixels: Tensor = torch.from_numpy(np.array(picture.convert("RGB").resize((224, 224)))) / 255
    net = backbone.net
    with torch.no_grad():
        features = net(net.normalise(pixels.permute(2, 0, 1)[None]))
    scores = F.conv2d(features, weight, bias).relu().mean(dim=(2, 3))
    assert scores.argmax().item() == 340  # ImageNet's zebra
