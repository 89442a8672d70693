"""Sources: which images there are, and batches of them by index."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from boxless.data.folder import check_images, read_folder
from boxless.data.glyphs import Glyphs, load_glyphs
from boxless.data.scenes import SceneGenerator
from boxless.engine.recipe import DataConfig
from boxless.engine.sources import (
    Images,
    Scenes,
    Source,
    image_size,
    known_images,
    scenes_of_test_glyphs,
    training_sources,
)
from boxless.errors import BoxlessError
from tests.engine.told import Told


def scenes_of(**data: Any) -> tuple[Scenes, Scenes]:
    train, validation, problems = training_sources(DataConfig(glyphs="digits", **data), 0, 1, None)
    assert problems == []
    assert isinstance(train, Scenes)
    assert isinstance(validation, Scenes)
    return train, validation


def glyphs_of(scenes: Scenes) -> Glyphs:
    assert isinstance(scenes.generator, SceneGenerator)
    return scenes.generator.glyphs


def glyph_set(scenes: Scenes) -> set[bytes]:
    return {image.numpy().tobytes() for image in glyphs_of(scenes).images}


def test_no_glyph_is_in_two_of_training_validation_and_test() -> None:
    train, validation = scenes_of()
    test = scenes_of_test_glyphs(DataConfig(glyphs="digits"), 10)
    sets = [glyph_set(scenes) for scenes in (train, validation, test)]
    assert not sets[0] & sets[1]
    assert not sets[0] & sets[2]
    assert not sets[1] & sets[2]
    everything = load_glyphs("digits", "train")
    assert len(glyphs_of(train).labels) + len(glyphs_of(validation).labels) == len(everything.labels)


def test_validation_glyphs_are_of_every_class() -> None:
    _, validation = scenes_of()
    assert set(glyphs_of(validation).labels.tolist()) == set(range(10))


def test_labels_of_the_parts_stay_with_their_glyphs() -> None:
    everything = load_glyphs("digits", "train")
    known = {image.numpy().tobytes(): label for image, label in zip(everything.images, everything.labels, strict=True)}
    for scenes in scenes_of():
        glyphs = glyphs_of(scenes)
        assert all(
            known[image.numpy().tobytes()] == label for image, label in zip(glyphs.images, glyphs.labels, strict=True)
        )


def test_scenes_have_the_layout_and_the_counts_that_are_asked_for() -> None:
    train, validation = scenes_of(layout="mnist-k", counts=(2, 4), train_size=30, validation_size=20)
    assert (len(train), len(validation)) == (30, 20)
    numbers = (train.batch(torch.arange(30)).labels >= 0).sum(1)
    assert set(numbers.tolist()) == {2, 4}


def test_training_and_validation_scenes_differ_in_their_places_too() -> None:
    train, validation = scenes_of(layout="mnist-3")
    ours, theirs = (source.batch(torch.arange(5)).centers for source in (train, validation))
    assert ours is not None
    assert theirs is not None
    assert not torch.equal(ours, theirs)


def test_an_unknown_layout_is_named_with_those_there_are() -> None:
    with pytest.raises(BoxlessError, match="no layout 'mnist-4'; there are mnist-hard"):
        scenes_of(layout="mnist-4")


def squares(root: Path, side: int, classes: str = "0123456789") -> Path:
    """Ten images of one object each."""
    for label, name in enumerate(classes):
        Image.fromarray(np.full((side, side), 25 * label, np.uint8)).save(root / f"{name}.png")
    (root / "metadata.csv").write_text("\n".join(["file_name,labels", *(f"{name}.png,{name}" for name in classes)]))
    return root


def test_scenes_are_mixed_with_the_images_of_a_folder_to_train_on(tmp_path: Path) -> None:
    data = DataConfig(
        str(squares(tmp_path, 80)),
        scenes_share=0.75,
        layout="mnist-3",
        glyphs="digits",
        train_size=40,
        validation_share=0.2,
    )
    source, validation, _ = training_sources(data, 0, 1, None)
    assert (len(source), len(validation)) == (40, 2)
    scenes, _ = scenes_of(layout="mnist-3", train_size=40)
    composed = source.batch(torch.arange(30))
    assert torch.equal(composed.images, scenes.batch(torch.arange(30)).images)
    assert composed.centers is None
    real = source.batch(torch.arange(30, 40))
    held_out = set(validation.batch(torch.arange(2)).labels.flatten().tolist())
    seen = real.labels.flatten().tolist()
    assert set(seen) == set(range(10)) - held_out
    assert max(map(seen.count, seen)) == 2  # of ten images, eight are there
    shades = [round(image.mean().item() * 255) for image in real.images]
    assert shades == [25 * label for label in seen]
    both = source.batch(torch.tensor([39, 3, 38]))
    assert sorted((row >= 0).sum().item() for row in both.labels) == [1, 1, 3]
    assert both.images.shape == (3, 1, 80, 80)


def test_a_folder_that_scenes_cannot_be_mixed_with_is_refused(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    (tmp_path / "few").mkdir()
    data = DataConfig(str(squares(tmp_path / "small", 64)), 0.5, "mnist-3", glyphs="digits", train_size=10)
    with pytest.raises(BoxlessError, match=r"is 64×64 pixels, and the scenes to mix it with are 80×80; resize it"):
        training_sources(data, 0, 1, None)
    few = DataConfig(str(squares(tmp_path / "few", 80, "ab")), 0.5, "mnist-3", glyphs="digits")
    with pytest.raises(BoxlessError, match="The folder has the classes a, b, and the scenes to mix it with 0, 1"):
        training_sources(few, 0, 1, None)
    with pytest.raises(ValueError, match="scenes_share"):
        DataConfig(scenes_share=0.5)


SIZES = {"wide.png": (40, 25), "tall.png": (18, 37), "large.png": (80, 60)}  # width, height
BOXES = {  # left, top, width, height from the corner of the top-left pixel, as COCO has them
    "wide.png": [("b", [10, 5, 8, 6]), ("a", [0, 0, 4, 4])],
    "tall.png": [],
    "large.png": [("a", [20, 30, 16, 12])],
}


def folder(root: Path, boxes: bool = True) -> Path:
    rng = np.random.default_rng(0)
    for name, (width, height) in SIZES.items():
        Image.fromarray(rng.integers(0, 256, (height, width), dtype=np.uint8)).save(root / name)
    rows = ["file_name,labels", *(f"{name},{' '.join(label for label, _ in BOXES[name])}" for name in SIZES)]
    (root / "metadata.csv").write_text("\n".join(rows))
    if boxes:
        content = {
            "images": [
                {"id": number, "file_name": name, "width": width, "height": height}
                for number, (name, (width, height)) in enumerate(SIZES.items())
            ],
            "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
            "annotations": [
                {"id": 10 * number + index, "image_id": number, "category_id": "ab".index(label) + 1, "bbox": bbox}
                for number, name in enumerate(SIZES)
                for index, (label, bbox) in enumerate(BOXES[name])
            ],
        }
        (root / "coco.json").write_text(json.dumps(content))
    return root


def images_of(
    root: Path, max_side: int | None = None, places: bool = True, channels: int = 1, shrink: float = 1.0
) -> Images:
    checked, problems = check_images(read_folder(root))
    assert problems == []
    return Images(checked, channels, max_side, places, shrink)


def in_order(source: Source, *names: str) -> Tensor:
    assert isinstance(source, Images)
    stored = [entry.path.name for entry in source.folder.images]
    return torch.tensor([stored.index(name) for name in names])


def test_images_of_several_sizes_are_padded_on_the_right_and_below(tmp_path: Path) -> None:
    source = images_of(folder(tmp_path))
    batch = source.batch(in_order(source, "wide.png", "tall.png"))
    assert batch.images.shape == (2, 1, 37, 40)
    assert batch.extents is not None
    assert batch.extents.tolist() == [[25, 40], [37, 18]]
    for image, name in zip(batch.images, ("wide.png", "tall.png"), strict=True):
        pixels = torch.from_numpy(np.array(Image.open(tmp_path / name))) / 255
        height, width = pixels.shape
        assert torch.equal(image[0, :height, :width], pixels)
        assert not image[:, height:].any()
        assert not image[:, :, width:].any()


def test_places_are_in_our_frame_and_labels_are_theirs(tmp_path: Path) -> None:
    """A box from x to x + w lies around x + w/2 − ½: the centre of the top-left pixel is (0, 0)."""
    source = images_of(folder(tmp_path))
    batch = source.batch(in_order(source, "wide.png", "tall.png", "large.png"))
    assert batch.centers is not None
    assert batch.sizes is not None
    found = [
        {
            (int(label), *center.tolist(), *size.tolist())
            for label, center, size in zip(*rows, strict=True)
            if label >= 0
        }
        for rows in zip(batch.labels, batch.centers, batch.sizes, strict=True)
    ]
    assert found == [{(1, 13.5, 7.5, 8.0, 6.0), (0, 1.5, 1.5, 4.0, 4.0)}, set(), {(0, 27.5, 35.5, 16.0, 12.0)}]


def test_places_shrink_with_the_image(tmp_path: Path) -> None:
    """80×60 to 40×30: corners halve, so the middle 27.5 of a box goes to 13.5, not 13.75."""
    source = images_of(folder(tmp_path), max_side=40)
    batch = source.batch(in_order(source, "large.png"))
    assert batch.images.shape == (1, 1, 30, 40)
    assert batch.centers is not None
    assert batch.sizes is not None
    assert batch.centers.tolist() == [[[13.5, 17.5]]]
    assert batch.sizes.tolist() == [[[8.0, 6.0]]]


def test_a_factor_shrinks_each_image_by_as_much(tmp_path: Path) -> None:
    source = images_of(folder(tmp_path), shrink=0.5).first(3)
    batch = source.batch(in_order(source, "wide.png", "large.png"))
    assert batch.extents is not None
    assert batch.extents.tolist() == [[12, 20], [30, 40]]  # of 25×40 and 60×80
    assert batch.centers is not None
    assert batch.centers[1, 0].tolist() == [13.5, 17.5]


def test_sides_that_are_rounded_have_each_its_own_scale(tmp_path: Path) -> None:
    """80×60 to 25×19 (18.75 rounded)."""
    source = images_of(folder(tmp_path), max_side=25)
    batch = source.batch(in_order(source, "large.png"))
    assert batch.images.shape == (1, 1, 19, 25)
    assert batch.centers is not None
    x, y = batch.centers[0, 0].tolist()
    assert x == pytest.approx(28 * 25 / 80 - 0.5)
    assert y == pytest.approx(36 * 19 / 60 - 0.5)


def test_training_sees_labels_and_no_places(tmp_path: Path) -> None:
    source = images_of(folder(tmp_path), places=False)
    batch = source.batch(in_order(source, "wide.png", "tall.png"))
    assert batch.centers is None
    assert batch.sizes is None
    assert batch.counts(2).tolist() == [[1, 1], [0, 0]]


def test_what_was_learned_without_labels_is_named_by_places_where_all_images_have_them(tmp_path: Path) -> None:
    """And never sees the object of each pixel, which is for tests alone."""
    (folder(tmp_path) / "segments").mkdir()
    for name, (width, height) in SIZES.items():
        Image.new("L", (width, height)).save(tmp_path / "segments" / name)
    data = DataConfig(folder=str(tmp_path), validation_share=0.4)
    for places in (False, True):
        train, _, _ = training_sources(data, 0, 1, None, places=places)
        batch = train.batch(torch.arange(len(train)))
        assert (batch.centers is not None) == places
        assert batch.segments is None
    (tmp_path / "metadata.csv").write_text((tmp_path / "metadata.csv").read_text() + "\nmore.png,a\nagain.png,a")
    for name in ("more.png", "again.png"):  # one of them at least is learned from
        Image.new("L", (9, 9)).save(tmp_path / name)
    train, _, _ = training_sources(replace(data, validation_share=0.1), 0, 1, None, places=True)
    assert train.batch(torch.arange(1)).centers is None


def test_the_object_of_each_pixel_goes_with_its_image(tmp_path: Path) -> None:
    """Padded as the image is; where it is shrunk, a pixel takes the nearest: 80×60 to 40×30 the second of each four."""
    (folder(tmp_path) / "segments").mkdir()
    rng = np.random.default_rng(1)
    numbers = {name: rng.integers(0, 5, (height, width), np.uint8) for name, (width, height) in SIZES.items()}
    for name, values in numbers.items():
        Image.fromarray(values).save(tmp_path / "segments" / name)
    source = images_of(tmp_path)
    segments = source.batch(in_order(source, "wide.png", "tall.png")).segments
    assert segments is not None
    for own, name in zip(segments.numpy(), ("wide.png", "tall.png"), strict=True):
        height, width = numbers[name].shape
        np.testing.assert_array_equal(own[:height, :width], numbers[name])
        assert own.sum() == numbers[name].sum()
    small = images_of(tmp_path, max_side=40)
    segments = small.batch(in_order(small, "large.png")).segments
    assert segments is not None
    np.testing.assert_array_equal(segments[0], numbers["large.png"][1::2, 1::2])
    (tmp_path / "segments" / "tall.png").unlink()
    source = images_of(tmp_path)
    assert source.batch(in_order(source, "wide.png", "tall.png")).segments is None


def test_segments_of_another_size_are_refused(tmp_path: Path) -> None:
    (folder(tmp_path) / "segments").mkdir()
    Image.new("L", (25, 40)).save(tmp_path / "segments" / "wide.png")
    source = images_of(tmp_path)
    with pytest.raises(BoxlessError, match=r"segments.wide\.png has not as many pixels as its image, 40×25"):
        source.batch(in_order(source, "wide.png"))


def test_images_are_of_one_size_or_not(tmp_path: Path) -> None:
    for name, side in (("a.png", 9), ("b.png", 9), ("c.png", 8)):
        Image.new("L", (9, side)).save(tmp_path / name)
        names = sorted(path.name for path in tmp_path.glob("*.png"))
        (tmp_path / "metadata.csv").write_text("\n".join(["file_name,labels", *(f"{one},1" for one in names)]))
        assert images_of(tmp_path).one_size == (name != "c.png")
    assert [scenes_of(layout=layout)[0].one_size for layout in ("mnist-3", "extended-mnist")] == [True, False]


def test_without_boxes_there_are_no_places(tmp_path: Path) -> None:
    source = images_of(folder(tmp_path, boxes=False))
    batch = source.batch(in_order(source, "wide.png", "large.png"))
    assert batch.centers is None
    assert batch.counts(2).tolist() == [[1, 1], [1, 0]]


def test_images_that_are_not_kept_in_memory_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(tmp_path)
    kept, read_again = images_of(tmp_path, max_side=33), images_of(tmp_path, max_side=33)
    monkeypatch.setattr(read_again, "KEPT_BYTES", 0)
    for _ in range(2):
        assert torch.equal(kept.batch(torch.arange(3)).images, read_again.batch(torch.arange(3)).images)
    assert len(kept._kept) == 3
    assert not read_again._kept


def test_a_folder_is_parted_and_its_broken_images_named(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "broken.png").write_text("no image")
    with (tmp_path / "metadata.csv").open("a") as file:
        file.write("\nbroken.png,a")
    data = DataConfig(folder=str(tmp_path), validation_share=0.4)
    train, validation, problems = training_sources(data, 0, 3, None)
    assert (len(train), len(validation)) == (2, 1)
    assert len(problems) == 1
    assert "broken.png" in problems[0]
    assert train.batch(torch.arange(2)).images.shape[1] == 3
    assert isinstance(train, Images)
    assert isinstance(validation, Images)
    assert not {e.path for e in train.folder.images} & {e.path for e in validation.folder.images}
    assert validation.places
    assert not train.places


def test_a_folder_without_a_readable_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_text("no image")
    (tmp_path / "metadata.csv").write_text("file_name,labels\nbroken.png,a")
    with pytest.raises(BoxlessError, match=r"No image of .* can be read; the first: .*broken\.png"):
        training_sources(DataConfig(folder=str(tmp_path)), 0, 1, None)


def test_images_that_hold_nothing_are_known_to(tmp_path: Path) -> None:
    """Of images without labels it is not known what they hold: those alone have labels of no column."""
    folder(tmp_path)
    (tmp_path / "coco.json").unlink()
    (tmp_path / "metadata.csv").write_text("file_name,labels\nwide.png,\ntall.png,\nlarge.png,a\n")
    source = images_of(tmp_path)
    assert source.batch(in_order(source, "wide.png", "tall.png")).labels.tolist() == [[-1], [-1]]


def test_images_without_labels_are_nothing_to_compare_a_model_of_classes_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that names what it found without labels takes such a folder to train on, and no other way."""
    monkeypatch.setattr(Told, "labels_are", "used")
    (folder(tmp_path, boxes=False) / "metadata.csv").unlink()
    with pytest.raises(BoxlessError, match="does not say what its images hold"):
        known_images(Told({}), str(tmp_path))


def test_the_largest_image_of_a_batch_is_as_high_and_wide_as_any(tmp_path: Path) -> None:
    assert images_of(folder(tmp_path)).padded_pixels == 60 * 80
    for name, (width, height) in {"high.png": (10, 90), "low.png": (100, 5)}.items():
        Image.new("L", (width, height)).save(tmp_path / name)
    (tmp_path / "metadata.csv").write_text("file_name,labels\nhigh.png,a\nlow.png,a")
    assert images_of(tmp_path).padded_pixels == 90 * 100
    assert images_of(tmp_path, max_side=50).padded_pixels == 50 * 50


def test_places_are_of_all_images_or_of_none_and_that_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever batch an image comes in; and then labels are those of the table."""
    folder(tmp_path)
    Image.new("L", (9, 9)).save(tmp_path / "more.png")
    (tmp_path / "metadata.csv").write_text((tmp_path / "metadata.csv").read_text() + "\nmore.png,a")
    with caplog.at_level("WARNING", "boxless"):
        source, _ = known_images(Told({}), str(tmp_path))
    assert "1 of 4 images" in caplog.text
    assert not source.places
    assert source.batch(in_order(source, "wide.png")).centers is None


def test_a_training_is_validated_by_its_labels_where_boxes_say_otherwise(tmp_path: Path) -> None:
    folder(tmp_path)
    data = DataConfig(folder=str(tmp_path), validation_share=0.5)
    for labels, places in (("a b", True), ("a b b b", False)):
        rows = [f"{name},{labels if name == 'wide.png' else 'a' if name == 'large.png' else ''}" for name in SIZES]
        (tmp_path / "metadata.csv").write_text("\n".join(["file_name,labels", *rows]))
        for seed in range(10):
            _, validation, _ = training_sources(data, seed, 1, None)
            assert isinstance(validation, Images)
            if any(image.path.name == "wide.png" for image in validation.folder.images):
                break
        batch = validation.batch(in_order(validation, "wide.png"))
        assert (batch.centers is not None) == places
        assert batch.counts(2).tolist() == [[1, labels.count("b")]]


class TestImageSize:
    @pytest.mark.parametrize(
        ("layout", "size"), [("mnist-hard", (80, 80)), ("svhn", (64, 64)), ("extended-mnist", None)]
    )
    def test_scenes_have_that_of_their_layout(self, layout: str, size: tuple[int, int] | None) -> None:
        assert image_size(DataConfig(layout=layout)) == size

    @pytest.mark.parametrize(("width", "size"), [(30, (20, 30)), (31, None)])
    def test_a_folder_has_that_of_its_images_if_they_are_alike(
        self, width: int, size: tuple[int, int] | None, tmp_path: Path
    ) -> None:
        for number, one in enumerate((30, 30, width)):
            Image.new("L", (one, 20)).save(tmp_path / f"{number}.png")
        (tmp_path / "broken.png").write_bytes(b"no image")
        assert image_size(DataConfig(folder=str(tmp_path))) == size
