"""What every method's detect takes and gives back, on a small MIST classifier."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from boxless.errors import BoxlessError
from boxless.instances import Instances
from boxless.methods import detector
from boxless.methods.detector import Detector, Found, Rows
from tests.methods.mist.small import small_model

pytestmark = pytest.mark.usefixtures("exact")


def pixels(height: int, width: int, seed: int = 0, channels: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    shape = (height, width, channels) if channels else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def visible(**given: Any) -> Detector:
    model = small_model(**given)
    model.peak_height = torch.tensor(0.1)
    return model


def assert_same(found: Instances, expected: Instances) -> None:
    np.testing.assert_array_equal(found.centers, expected.centers)
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)
    assert found.image_size == expected.image_size


def grey_forms(path: Path) -> dict[str, Any]:
    image = pixels(30, 41)
    Image.fromarray(image).save(path)
    return {
        "a path": path,
        "a path as text": str(path),
        "Pillow": Image.fromarray(image),
        "Pillow, RGB": Image.fromarray(np.repeat(image[..., None], 3, axis=2)),
        "uint8 (H, W)": image,
        "uint8 (H, W, 1)": image[..., None],
        "uint8 (H, W, 3)": np.repeat(image[..., None], 3, axis=2),
        "float32 (H, W)": image.astype(np.float32) / 255,
        "float64 (H, W, 1)": image[..., None] / 255,
        "a view with negative strides": np.ascontiguousarray(image[::-1])[::-1],
        "a tensor (H, W)": torch.from_numpy(image) / 255,
        "a uint8 tensor (1, H, W)": torch.from_numpy(image)[None],
    }


def color_forms(path: Path) -> dict[str, Any]:
    image = pixels(30, 41, channels=3)
    Image.fromarray(image).save(path)
    tensor = torch.from_numpy(image).permute(2, 0, 1)
    return {
        "a path": path,
        "Pillow": Image.fromarray(image),
        "uint8": image,
        "float": image / 255,
        "a uint8 tensor": tensor,
        "a float tensor": tensor / 255,
    }


@pytest.mark.parametrize(("forms", "channels"), [(grey_forms, 1), (color_forms, 3)])
def test_a_picture_has_the_same_objects_in_whatever_form_it_comes(forms: Any, channels: int, tmp_path: Path) -> None:
    model = visible(channels=channels)
    given = forms(tmp_path / "picture.png")
    expected = model.detect(given.pop("a path"))
    assert len(expected) == 3
    assert expected.image_size == (30, 41)
    for name, image in given.items():
        found = model.detect(image)
        assert isinstance(found, Instances), name
        assert_same(found, expected)


@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_a_list_of_images_of_several_sizes_keeps_its_order(batch_size: int) -> None:
    model = visible()
    sizes = [(30, 41), (24, 24), (30, 41), (41, 30), (30, 41), (24, 24)]
    images: list[Any] = [pixels(*size, seed) for seed, size in enumerate(sizes)]
    images[1] = torch.from_numpy(images[1])
    images[2] = Image.fromarray(images[2])
    found = model.detect(images, batch_size=batch_size)
    assert [one.image_size for one in found] == sizes
    for one, image in zip(found, images, strict=True):
        assert_same(one, model.detect(image))


def test_a_list_gives_a_list_and_an_image_instances() -> None:
    model = visible()
    assert [type(one) for one in model.detect([pixels(24, 30)])] == [Instances]
    assert [type(one) for one in model.detect((pixels(24, 30),))] == [Instances]
    assert isinstance(model.detect(pixels(24, 30)), Instances)
    assert model.detect([]) == []


def test_images_wait_for_others_of_their_size_only_while_they_fit_into_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of images that all differ in size, no more are held than ``HELD_VALUES`` allow."""
    model = visible()
    read, computed = [0], [0]
    find, to_tensor = model.find, detector.to_tensor
    held: list[int] = []

    def reading(*args: Any) -> Any:
        read[0] += 1
        held.append(read[0] - computed[0])
        return to_tensor(*args)

    def finding(images: Any, *args: Any) -> Any:
        computed[0] += len(images)
        return find(images, *args)

    monkeypatch.setattr(detector, "to_tensor", reading)
    monkeypatch.setattr(model, "find", finding)
    monkeypatch.setattr(detector, "HELD_VALUES", 3000)
    found = model.detect([pixels(24, 24 + number, number) for number in range(20)])
    assert [one.image_size for one in found] == [(24, 24 + number) for number in range(20)]
    assert max(held) <= 6


def test_names_of_the_classes_come_with_the_objects() -> None:
    found = visible(class_names=("cat", "dog", "owl")).detect(pixels(30, 41))
    assert found.class_names == ("cat", "dog", "owl")
    assert set(found.names) <= {"cat", "dog", "owl"}


def test_detection_is_in_eval_mode_and_leaves_the_mode_and_the_statistics_alone() -> None:
    model = visible()
    expected = model.detect(pixels(30, 41))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.train()
    assert_same(model.detect(pixels(30, 41)), expected)
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_part_alone_in_training_mode_is_in_eval_mode_within_a_detection_and_not_after() -> None:
    model = small_model()
    model.heatmap_net.train()
    before = {name: module.training for name, module in model.named_modules()}
    seen: list[bool] = []
    model.heatmap_net.register_forward_pre_hook(lambda module, _: seen.append(module.training))
    model.detect(pixels(30, 41))
    assert seen == [False]
    assert {name: module.training for name, module in model.named_modules()} == before


def test_what_is_kept_of_a_batch_is_what_is_kept_of_each_image() -> None:
    keep = torch.tensor([[True, False, True], [False, False, False], [True, True, True]])
    masks = torch.rand(3, 3, 4, 5) > 0.5
    columns = Found(torch.rand(3, 3, 2), torch.rand(3, 3, 2), torch.rand(3, 3), torch.arange(9).view(3, 3), masks=masks)
    for number, found in enumerate(Rows(keep, columns).kept()):
        assert found.descriptors is None
        assert list(found.there()) == ["centers", "sizes", "scores", "labels", "masks"]
        for name, column in columns.there().items():
            assert torch.equal(found.there()[name], column[number, keep[number]]), name
    none = Found(*(column[:, :0] for column in list(columns.there().values())[:4]))
    assert Rows(keep[:, :0], none).kept()[2].centers.shape == (0, 2)


def test_an_image_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "text.png"
    path.write_text("no image")
    with pytest.raises(BoxlessError, match=r"text\.png is not an image"):
        visible().detect([pixels(24, 30), path])


def test_a_batch_as_one_tensor_is_refused_with_what_to_do() -> None:
    with pytest.raises(BoxlessError, match="one by one"):
        visible().detect(torch.zeros(2, 1, 24, 30))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"k": 0}, "k is the number of instances to return, at least 1, not 0"),
        ({"k": True}, "k is the number of instances to return, at least 1, not True"),
        ({"k": "4"}, "k is the number of instances to return, at least 1, not '4'"),
        ({"k": 2.5}, r"k is the number of instances to return, at least 1, not 2\.5"),
        ({"threshold": 1.5}, r"threshold is a score in \[0, 1\] or \"auto\", not 1.5"),
        ({"threshold": -0.1}, "threshold is a score"),
        ({"threshold": "high"}, "threshold is a score"),
        ({"threshold": float("nan")}, "threshold is a score"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_a_setting_out_of_range_is_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(BoxlessError, match=message):
        visible().detect(pixels(24, 30), **given)


def test_auto_is_the_threshold_of_the_model() -> None:
    model, image = visible(), pixels(40, 60)
    everything = model.detect(image, threshold=0.0)
    model.calibrated_threshold = float(np.sort(everything.scores)[len(everything) // 2])
    found = model.detect(image, threshold="auto")
    assert_same(found, everything.above(model.calibrated_threshold))
    assert 0 < len(found) < len(everything)
    highest = model.detect(image, threshold=model.calibrated_threshold, k=2)
    assert_same(model.detect(image, threshold="auto", k=2), highest)


def test_a_model_without_a_threshold_says_where_one_comes_from() -> None:
    with pytest.raises(BoxlessError, match=r"no threshold of its own.* boxless train --resume"):
        visible().detect(pixels(24, 30), threshold="auto")
