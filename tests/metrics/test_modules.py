import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed
import torch.multiprocessing
from torchmetrics import Metric

from boxless.metrics import modules
from boxless.metrics.average_precision import average_precision
from boxless.metrics.center_detection import center_scores
from boxless.metrics.classification import classification_error
from boxless.metrics.confusion import confusion_matrix
from boxless.metrics.counting import counting_scores
from boxless.metrics.detection import detection_scores
from boxless.metrics.landmarks import landmark_error
from boxless.metrics.offsets import offset_statistics
from boxless.metrics.prototypes import assign_prototypes, prototype_contingency
from boxless.metrics.reconstruction import reconstruction_rmse
from boxless.metrics.segmentation import foreground_ari
from boxless.metrics.sequences import sequence_errors
from boxless.metrics.sizes import size_statistics

from .random_scenes import CLASSES, scenes

IMAGES = 12
# Uneven batches, one of them empty.
BATCHES = (slice(0, 5), slice(5, 5), slice(5, 6), slice(6, IMAGES))
RNG = np.random.default_rng(0)
INSTANCES = scenes(7, IMAGES)
PIXELS = tuple(torch.from_numpy(RNG.random((IMAGES, 1, 4, 6))).float() for _ in range(2))
SEGMENTS = tuple(torch.from_numpy(RNG.integers(0, 3, (IMAGES, 4, 6))) for _ in range(2))
LANDMARKS = (*(torch.from_numpy(RNG.random((IMAGES, 5, 2))) for _ in range(2)), torch.arange(1.0, IMAGES + 1))
WORDS = tuple(["".join(RNG.choice(list("01"), 3)) for _ in range(IMAGES)] for _ in range(2))
LABELS = tuple(torch.from_numpy(RNG.integers(0, 3, IMAGES)) for _ in range(2))

TWINS: list[tuple[Callable[[], Metric], Callable[..., Any], tuple[Any, ...]]] = [
    (modules.DetectionMetric, detection_scores, INSTANCES),
    (lambda: modules.DetectionMetric(0.7), lambda p, t: detection_scores(p, t, 0.7), INSTANCES),
    (modules.CenterMetric, center_scores, INSTANCES),
    (lambda: modules.CenterMetric(background=1), lambda p, t: center_scores(p, t, background=1), INSTANCES),
    (modules.AveragePrecisionMetric, average_precision, INSTANCES),
    (lambda: modules.CountingMetric(CLASSES), lambda p, t: counting_scores(p, t, CLASSES), INSTANCES),
    (lambda: modules.ConfusionMetric(CLASSES), lambda p, t: confusion_matrix(p, t, CLASSES), INSTANCES),
    (modules.OffsetMetric, offset_statistics, INSTANCES),
    (modules.SizeMetric, size_statistics, INSTANCES),
    (
        lambda: modules.PrototypeMetric(CLASSES, CLASSES),
        lambda p, t: assign_prototypes(prototype_contingency(p, t, CLASSES, CLASSES)),
        INSTANCES,
    ),
    (modules.ReconstructionMetric, reconstruction_rmse, PIXELS),
    (modules.ForegroundARIMetric, foreground_ari, SEGMENTS),
    (modules.LandmarkMetric, landmark_error, LANDMARKS),
    (modules.SequenceMetric, sequence_errors, WORDS),
    (modules.ClassificationErrorMetric, classification_error, LABELS),
]
IDS = [f"{number}-{function.__name__}" for number, (_, function, _) in enumerate(TWINS)]


def agree(ours: Any, theirs: Any) -> None:
    assert type(ours) is type(theirs)
    if dataclasses.is_dataclass(ours):
        for field in dataclasses.fields(ours):
            agree(getattr(ours, field.name), getattr(theirs, field.name))
    elif isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key in ours:
            agree(ours[key], theirs[key])
    else:
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


@pytest.mark.parametrize(("twin", "function", "data"), TWINS, ids=IDS)
def test_a_twin_over_batches_is_the_function_of_all(
    twin: Callable[[], Metric], function: Callable[..., Any], data: tuple[Any, ...]
) -> None:
    metric = twin()
    for batch in BATCHES:
        metric.update(*(part[batch] for part in data))
    agree(metric.compute(), function(*data))


@pytest.mark.parametrize(("twin", "function", "data"), TWINS, ids=IDS)
def test_a_step_of_a_twin_is_the_function_of_the_batch(
    twin: Callable[[], Metric], function: Callable[..., Any], data: tuple[Any, ...]
) -> None:
    metric = twin()
    metric.update(*(part[:5] for part in data))
    agree(metric(*(part[5:] for part in data)), function(*(part[5:] for part in data)))
    agree(metric.compute(), function(*data))


@pytest.mark.parametrize(("twin", "function", "data"), TWINS, ids=IDS)
def test_a_twin_that_is_reset_begins_anew(
    twin: Callable[[], Metric], function: Callable[..., Any], data: tuple[Any, ...]
) -> None:
    metric = twin()
    metric.update(*(part[:5] for part in data))
    metric.reset()
    metric.update(*(part[5:] for part in data))
    agree(metric.compute(), function(*(part[5:] for part in data)))


def test_bfloat16_reconstructions_are_taken() -> None:
    metric = modules.ReconstructionMetric()
    metric.update(torch.full((1, 1, 2, 3), 0.5, dtype=torch.bfloat16), torch.ones(1, 1, 2, 3))
    assert metric.compute() == 0.5


def on_one_of_two_ranks(rank: int, folder: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    for twin, function, data in TWINS:
        # Unequal shares; then everything on rank 0, so that rank 1 has never been updated.
        for split in (4, IMAGES):
            metric = twin()
            mine = slice(0, split) if rank == 0 else slice(split, IMAGES)
            if mine.start < mine.stop:
                metric.update(*(part[mine] for part in data))
            agree(metric.compute(), function(*data))
    torch.distributed.destroy_process_group()


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_a_twin_over_two_ranks_is_the_function_of_all(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(on_one_of_two_ranks, (str(tmp_path),), nprocs=2)


def test_the_functions_import_neither_torchmetrics_nor_lightning_nor_torch() -> None:
    names = [path.stem for path in Path(modules.__file__).parent.glob("*.py") if path.stem != "modules"]
    code = "".join(f"import boxless.metrics.{name}\n" for name in names if name != "__init__")
    code += (
        "import sys; sys.exit(any(name in sys.modules for name in ('torchmetrics', 'lightning', 'torch', 'sklearn')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
