"""MIST's networks learned from boxes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader

from boxless.data.batch import Batch
from boxless.engine.run import train
from boxless.errors import BoxlessError
from boxless.methods.mist.config import HeatmapTrainingConfig
from boxless.methods.mist.model import Keypoints
from boxless.methods.mist.supervised.model import Supervised
from boxless.methods.mist.supervised.training import SupervisedTraining, Truth
from boxless.ops.lifting import gaussian_heatmap
from boxless.ops.patches import crop
from tests.engine.bare import fit
from tests.engine.tiny import pictures, tiny
from tests.methods.mist.small import small_config, spots

SETTINGS = HeatmapTrainingConfig(heatmap_rate=3e-3, task_rate=3e-3, warmup=1, decay=0.0, jitter=0.0, averaging=0.0)
EXTENT = (30, 44)


def training_of(steps: int = 1, settings: HeatmapTrainingConfig = SETTINGS, **given: Any) -> SupervisedTraining:
    torch.manual_seed(0)
    return SupervisedTraining(Supervised(small_config(**given)).train(), settings, steps, compile=False)


def scenes(number: int, seed: int = 0) -> Batch:
    """Bright spots (a) and faint ones (b), one or two an image, on 44×30 pixels."""
    generator = torch.Generator().manual_seed(seed)
    images, labels = torch.zeros(number, 1, *EXTENT), torch.full((number, 2), -1)
    centers, sizes = torch.zeros(number, 2, 2), torch.zeros(number, 2, 2)
    for row in range(number):
        for thing in range(1 + row % 2):
            x = float(torch.randint(5, 17, (), generator=generator)) + 20 * thing
            y = float(torch.randint(5, 25, (), generator=generator))
            label = int(torch.randint(2, (), generator=generator))
            images[row] += (1.0, 0.4)[label] * spots([(x, y)])
            labels[row, thing], centers[row, thing], sizes[row, thing] = label, torch.tensor([x, y]), 8.0
    return Batch(images, labels, centers, sizes)


def trained(training: SupervisedTraining, steps: list[Batch]) -> SupervisedTraining:
    fit(training, DataLoader(steps, batch_size=None))  # type: ignore[arg-type]
    return training


def test_the_heatmap_learns_the_true_places_and_the_classifier_the_true_classes() -> None:
    """Of an image with one object less nothing is learned in its stead."""
    training, batch = training_of(), scenes(4)
    assert batch.centers is not None
    noted: dict[str, Tensor] = {}
    training.note = lambda name, values: noted.setdefault(name, values.detach())  # type: ignore[method-assign,assignment]
    responses = training.model.responses(batch.images).sharp.detach()
    there = (batch.labels >= 0).float()
    target = gaussian_heatmap(batch.centers, EXTENT, 1.0, there)
    patches = crop(batch.images, batch.centers, torch.full((4, 2, 2), 8.0), 8).flatten(0, 1)
    logits = training.model.classifier(patches)[0].detach()
    losses = F.cross_entropy(logits, batch.labels.flatten().clamp_min(0), reduction="none").view(4, 2)
    trained(training, [batch])
    torch.testing.assert_close(noted["loss/heatmap"], (responses[:, 0] - target).square().mean((1, 2)))
    torch.testing.assert_close(
        noted["loss/classification"], (losses * there).sum(1) / there.sum(1), rtol=1e-4, atol=1e-5
    )


def test_what_is_found_is_background_where_it_is_off_every_object() -> None:
    """A quarter of a side off along x or y it shows the object, beyond a half it does not, between it is not sure."""
    centers = torch.tensor([[[10.0, 10.0], [30.0, 20.0], [0.0, 0.0]]])
    truth = Truth(Keypoints(centers, torch.full((1, 3), 8.0)), torch.tensor([[1, 0, -1]]))
    found = torch.tensor([[[12.0, 8.0], [13.0, 10.0], [10.0, 15.0], [30.0, 21.0], [27.0, 20.0], [1.0, 1.0]]])
    labels = training_of()._labels_at(Keypoints(found, torch.full((1, 6), 8.0)), truth)
    assert labels.tolist() == [[1, -1, 3, 0, -1, 3]]


def test_of_an_image_without_objects_all_is_background() -> None:
    training = training_of(background=True)
    nothing = Batch(torch.rand(2, 1, *EXTENT), torch.zeros(2, 0, dtype=torch.int64), *[torch.zeros(2, 0, 2)] * 2)
    truth = training._truth(nothing)
    assert truth.labels.tolist() == [[-1] * 3] * 2
    assert training._labels_at(Keypoints(torch.rand(2, 3, 2), torch.full((2, 3), 8.0)), truth).tolist() == [[3] * 3] * 2
    assert trained(training, [nothing]).steps_done == 1


def test_it_learns_to_find_and_name() -> None:
    steps = [scenes(16, seed) for seed in range(120)]
    training = training_of(120, background=True, class_names=("a", "b"), instances=2, heatmap_channels=8)
    model = trained(training, steps).trained_model.eval()
    batch = scenes(32, 999)
    assert batch.centers is not None
    right = 0
    for found, centers, labels in zip(model.detect(list(batch.images)), batch.centers, batch.labels, strict=True):
        true = {(*center.tolist(), int(label)) for center, label in zip(centers, labels, strict=True) if label >= 0}
        got = {(*center, label) for center, label in zip(found.centers.tolist(), found.labels.tolist(), strict=True)}
        right += len(true) == len(got) and all(
            any(abs(x - u) <= 1 and abs(y - v) <= 1 and one == other for u, v, other in got) for x, y, one in true
        )
    assert right >= 28


def test_a_folder_without_boxes_is_refused(tmp_path: Path) -> None:
    recipe = tiny("supervised", tmp_path)
    folder = str(pictures(tmp_path))
    recipe = replace(recipe, data=replace(recipe.data, folder=folder), model=recipe.model | {"object_size": 10})
    with pytest.raises(BoxlessError, match=r"supervised learns from boxes, which not all images of .* have"):
        train(recipe, tmp_path / "run", progress=False)
