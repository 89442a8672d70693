"""Evaluation against answers that are known, counted by hand."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from boxless.data.attributes import combinations
from boxless.data.batch import Batch
from boxless.data.prepared import write_folder
from boxless.engine.evaluation import evaluate
from boxless.engine.recipe import DataConfig
from boxless.engine.truth import truths_of
from boxless.errors import BoxlessError
from boxless.instances import Instances
from tests.engine.told import Told
from tests.methods.mist.small import spots, spotting_model

NAMES = ("a", "b")
SIZES = [(40, 25), (18, 37), (50, 40)]  # width, height of 0.png, 1.png, 2.png
BOXES = [[("a", 10, 8), ("b", 30, 15)], [("b", 9, 20)], [("a", 20, 20), ("a", 35, 12), ("b", 8, 30)]]  # centres


def right() -> dict[tuple[int, int], list[tuple[int, float, float]]]:
    """The answers without a fault."""
    return {
        (height, width): [(NAMES.index(name), x, y) for name, x, y in boxes]
        for (width, height), boxes in zip(SIZES, BOXES, strict=True)
    }


def folder(root: Path, boxes: bool = True) -> Path:
    for number, (width, height) in enumerate(SIZES):
        Image.fromarray(np.full((height, width), 40 * number, np.uint8)).save(root / f"{number}.png")
    rows = [f"{number}.png,{' '.join(name for name, _, _ in row)}" for number, row in enumerate(BOXES)]
    (root / "metadata.csv").write_text("\n".join(["file_name,labels", *rows]))
    if boxes:
        annotations = [
            {"image_id": number, "category_id": NAMES.index(name), "bbox": [x - 3 + 0.5, y - 3 + 0.5, 6, 6]}
            for number, row in enumerate(BOXES)
            for name, x, y in row
        ]
        content = {
            "images": [{"id": n, "file_name": f"{n}.png", "width": w, "height": h} for n, (w, h) in enumerate(SIZES)],
            "categories": [{"id": number, "name": name} for number, name in enumerate(NAMES)],
            "annotations": [{"id": index, **entry} for index, entry in enumerate(annotations)],
        }
        (root / "coco.json").write_text(json.dumps(content))
    return root


def test_a_model_without_fault_reaches_everything(tmp_path: Path) -> None:
    found = evaluate(Told(right()), folder(tmp_path)).metrics()
    assert {name: found[name] for name in ("images", "localization", "classification", "both", "f1")} == {
        "images": 3,
        "localization": 1.0,
        "classification": 1.0,
        "both": 1.0,
        "f1": 1.0,
    }
    assert found["average_precision"] == pytest.approx(1.0)
    assert found["median_offset"] == 0.0
    assert (found["median_size_error"], found["median_size_ratio"]) == (0.0, 1.0)
    assert (found["total_error"], found["exact_multiset"]) == (0.0, 1.0)


def test_each_fault_counts_where_it_belongs(tmp_path: Path) -> None:
    """Of six objects one is named wrongly, one placed wrongly, one missed."""
    answers = right()
    answers[(25, 40)][0] = (1, 10, 8)  # an a called b
    answers[(37, 18)][0] = (1, 9, 30)  # a b elsewhere
    del answers[(40, 50)][1]  # an a forgotten
    result = evaluate(Told(answers), folder(tmp_path))
    assert result.detection is not None
    assert result.detection.localization == pytest.approx(4 / 6)
    assert result.detection.both == pytest.approx(3 / 6)
    assert result.classification == pytest.approx((1 + 1 + 2) / 6)  # b; b; a and b
    assert result.counting.exact_multiset == pytest.approx(1 / 3)
    assert result.counting.exact_total == pytest.approx(2 / 3)
    assert result.confusion is not None
    assert result.confusion.sum() >= 6
    assert [len(one) for one in result.predicted] == [2, 1, 2]
    assert [len(one) for one in result.true] == [2, 1, 3]


def test_images_are_shown_without_the_padding_of_their_batch(tmp_path: Path) -> None:
    model = Told(right())
    evaluate(model, folder(tmp_path))
    assert [size for size, _, _ in model.asked] == [(height, width) for width, height in SIZES]


def test_the_true_number_is_told_for_each_image_by_itself(tmp_path: Path) -> None:
    """An image's result must not depend on how many objects the others of its batch have."""
    model = Told(right())
    result = evaluate(model, folder(tmp_path), k="true")
    assert sorted(model.asked) == [((25, 40), 2, None), ((37, 18), 1, None), ((40, 50), 3, None)]
    assert [len(one) for one in result.predicted] == [2, 1, 3]
    assert [one.image_size for one in result.predicted] == [(25, 40), (37, 18), (40, 50)]


def test_an_image_without_objects_keeps_nothing_of_what_is_found_in_it(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((11, 13), np.uint8)).save(tmp_path / "empty.png")
    (tmp_path / "metadata.csv").write_text("file_name,labels\nempty.png,")
    result = evaluate(Told({(11, 13): [(0, 3, 3)]}), tmp_path, k="true")
    assert [len(one) for one in result.predicted] == [0]


class Drawing(Told):
    """Draws the masks that it is told, by the size of the image."""

    draws_masks = True
    masks: dict[tuple[int, int], NDArray[np.int64]]

    def segments(self, images: list[Tensor], k: int | None = None) -> list[NDArray[np.int64]]:
        return [self.masks[image.shape[1], image.shape[2]] for image in images]


def test_masks_and_attributes_of_a_folder_of_scenes(tmp_path: Path) -> None:
    """Two images of their own size: in one the masks are right, in the other there is but one for two objects.

    Of the four objects three are found, by their centre, for the boxes fit badly; one of them in the wrong colour.
    """
    attributes = {"shape": ("square", "disk"), "color": ("red", "green")}
    names = combinations(attributes)
    places = [[10, 8], [30, 15]]
    prepared = []
    model = Drawing({(25, 40): [(0, 10, 8), (3, 30, 15)], (30, 36): [(0, 11, 9), (3, 30, 26)]}, class_names=names)
    model.masks = {}
    for name, size in (("a.png", (25, 40)), ("b.png", (30, 36))):
        numbers = torch.zeros(size, dtype=torch.int64)
        numbers[6:11, 8:13], numbers[13:18, 28:33] = 1, 2
        objects = Instances(places, [(12, 12)] * 2, labels=[0, 2], class_names=names, image_size=size)
        prepared.append((name, torch.zeros(3, *size), objects, numbers))
        model.masks[size] = (numbers + 4).numpy() if name == "a.png" else np.zeros(size, np.int64)
    write_folder(tmp_path / "scenes", prepared, attributes)
    found = evaluate(model, tmp_path / "scenes").metrics()
    assert found["ari"] == pytest.approx((1.0 + 0.0) / 2)
    assert (found["shape"], found["color"]) == (3 / 4, 2 / 4)
    assert found["localization"] == 0.0


def test_k_and_threshold_are_passed_on(tmp_path: Path) -> None:
    model = Told(right())
    evaluate(model, folder(tmp_path), k=2, threshold=0.4)
    assert {(k, threshold) for _, k, threshold in model.asked} == {(2, 0.4)}


def test_without_boxes_only_what_labels_tell_is_measured(tmp_path: Path) -> None:
    answers = right()
    answers[(37, 18)][0] = (0, 1, 1)
    result = evaluate(Told(answers), folder(tmp_path, boxes=False))
    assert (result.detection, result.centers, result.average_precision, result.confusion, result.offsets) == (None,) * 5
    assert result.classification == pytest.approx(5 / 6)
    assert not {"localization", "both", "f1", "median_offset", "median_size_error"} & result.metrics().keys()


class Reader(Told):
    """Reads what it is told by the size of the image, and by columns the same from right to left."""

    def transcribe(self, images: Sequence[Tensor], *, by_columns: bool = False) -> list[tuple[int, ...]]:
        texts = [[label for label, _, _ in self.answers[image.shape[1], image.shape[2]]] for image in images]
        return [tuple(text[::-1] if by_columns else text) for text in texts]


def in_reading_order(root: Path) -> Path:
    content = json.loads((root / "coco.json").read_text())
    (root / "coco.json").write_text(json.dumps(content | {"info": {"order": "reading"}}))
    return root


def test_transcriptions_are_held_against_the_objects_in_the_order_of_the_file(tmp_path: Path) -> None:
    """There are "ab", "b" and "aab": the last is read as "ab"."""
    answers = right()
    del answers[(40, 50)][0]
    result = evaluate(Reader(answers), in_reading_order(folder(tmp_path)))
    assert result.transcriptions is not None
    assert result.transcriptions.true == [(0, 1), (1,), (0, 0, 1)]
    assert result.transcriptions.read == [(0, 1), (1,), (0, 1)]
    found = result.metrics()
    assert found["sequence_error"] == pytest.approx(1 / 3)
    assert found["character_error"] == pytest.approx(1 / 6)
    assert found["column_sequence_error"] == pytest.approx(2 / 3)
    assert found["column_character_error"] == pytest.approx(4 / 6)  # "ba" for "ab" is two edits, and so it is for "aab"


def test_where_the_order_of_the_objects_is_not_known_nothing_is_transcribed(tmp_path: Path) -> None:
    assert evaluate(Reader(right()), folder(tmp_path)).transcriptions is None
    assert evaluate(Told(right()), in_reading_order(tmp_path)).transcriptions is None


def test_a_broken_image_is_named_and_the_rest_measured(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "1.png").write_text("no image")
    result = evaluate(Told(right()), tmp_path)
    assert result.images == 2
    assert result.metrics()["both"] == 1.0
    assert len(result.problems) == 1
    assert "1.png" in result.problems[0]


def test_a_folder_with_classes_that_the_model_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BoxlessError, match="unknown class b "):
        evaluate(Told(right(), class_names=("a",)), folder(tmp_path))


def test_scenes_of_other_classes_are_refused() -> None:
    with pytest.raises(BoxlessError, match="The model knows a, b, the scenes other classes"):
        evaluate(Told({}), DataConfig(glyphs="digits"), images=2)


@pytest.mark.parametrize("shrunk", [{"max_side": 44}, {"shrink": 1 / 3}])
def test_a_model_that_shrinks_its_images_is_measured_in_the_shrunk_ones(shrunk: dict[str, Any], tmp_path: Path) -> None:
    """A spot in blocks of 3×3 pixels: found at the middle of its box, with a box as large."""
    image = spots([(20.0, 13.0)]).repeat_interleave(3, 1).repeat_interleave(3, 2)[0]
    Image.fromarray((image * 255).numpy().astype(np.uint8)).save(tmp_path / "spot.png")
    content = {
        "images": [{"id": 0, "file_name": "spot.png", "width": 132, "height": 90}],
        "categories": [{"id": number, "name": name} for number, name in enumerate("abc")],
        "annotations": [{"id": 0, "image_id": 0, "category_id": 1, "bbox": [61.5 - 12, 40.5 - 12, 24, 24]}],
    }
    (tmp_path / "coco.json").write_text(json.dumps(content))
    result = evaluate(spotting_model(instances=1, **shrunk), tmp_path)
    assert result.offsets is not None
    assert result.offsets.median_distance == pytest.approx(0.0, abs=1e-4)
    assert result.true[0].centers[0].tolist() == pytest.approx([20.0, 13.0], abs=1e-4)
    assert result.true[0].sizes[0].tolist() == pytest.approx([8.0, 8.0], abs=1e-4)


def test_scenes_of_test_digits_are_the_same_every_time() -> None:
    model = spotting_model(class_names=tuple("0123456789"))
    data = DataConfig(layout="mnist-3", glyphs="digits")
    first, again, other = (evaluate(model, data, images=6, seed=seed) for seed in (0, 0, 1))
    assert first.metrics() == again.metrics()
    assert [one.centers.tolist() for one in first.true] == [one.centers.tolist() for one in again.true]
    assert [one.centers.tolist() for one in first.true] != [one.centers.tolist() for one in other.true]


def test_truth_leaves_padding_out() -> None:
    batch = Batch(
        torch.zeros(2, 1, 9, 9),
        torch.tensor([[2, -1, 0], [-1, -1, -1]]),
        torch.tensor([[[1.0, 2.0], [9.0, 9.0], [3.0, 4.0]], [[9.0, 9.0]] * 3]),
        torch.full((2, 3, 2), 5.0),
    )
    first, second = truths_of(batch, ("x", "y", "z"))
    assert first.names == ["z", "x"]
    assert first.centers.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert first.sizes.tolist() == [[5.0, 5.0]] * 2
    assert len(second) == 0


def test_truth_without_places_has_its_labels() -> None:
    (truth,) = truths_of(Batch(torch.zeros(1, 1, 9, 9), torch.tensor([[1, 1, -1]])), ("x", "y"))
    assert truth.counts() == {"y": 2}
    assert not truth.centers.any()
