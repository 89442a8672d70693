"""The torchmetrics twins: each gathers sums or rows over batches and ranks, then calls the function's own core.

``compute`` returns what the function returns (torchmetrics rebuilds dataclasses field by field, so the results of the
functions are not frozen). Nothing here knows how a measure is defined.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from boxless.instances import Instances
from boxless.metrics.average_precision import (
    AveragePrecision,
    average_precision_of,
    judged_predictions,
    true_labels,
)
from boxless.metrics.center_detection import CenterScores, center_counts, center_scores_of
from boxless.metrics.classification import error_counts, error_rate_of
from boxless.metrics.confusion import confusion_matrix
from boxless.metrics.counting import HEAD, CountingScores, counting_scores_of, counting_sums
from boxless.metrics.detection import DetectionScores, detection_counts, detection_scores_of
from boxless.metrics.landmarks import landmark_error_sums, mean_landmark_error_of
from boxless.metrics.offsets import OffsetStatistics, center_offsets, offset_statistics_of
from boxless.metrics.prototypes import assign_prototypes, prototype_contingency
from boxless.metrics.reconstruction import rmse_of, squared_error_sums
from boxless.metrics.segmentation import ari_sums, mean_ari_of
from boxless.metrics.sequences import SequenceErrors, Transcription, sequence_error_counts, sequence_errors_of
from boxless.metrics.sizes import SizeStatistics, size_ratios, size_statistics_of

ImageInstances = Sequence[Instances]


class _SummedMetric(Metric):
    """A measure whose batches are told by one array of sums."""

    full_state_update = False
    is_differentiable = False
    sums: Tensor

    def __init__(self, *shape: int, dtype: torch.dtype = torch.int64, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("sums", torch.zeros(shape, dtype=dtype), dist_reduce_fx="sum")

    def _add(self, sums: NDArray[Any]) -> None:
        self.sums += torch.from_numpy(sums).to(self.sums.device)

    def _total(self) -> NDArray[Any]:
        return self.sums.cpu().numpy()


class DetectionMetric(_SummedMetric):
    """Twin of ``detection_scores``."""

    def __init__(self, threshold: float = 0.5, **kwargs: Any) -> None:
        super().__init__(4, **kwargs)
        self.threshold = threshold

    def update(self, predicted: ImageInstances, true: ImageInstances) -> None:
        """Add the predictions and the truth of some images."""
        self._add(detection_counts(predicted, true, self.threshold))

    def compute(self) -> DetectionScores:
        """The scores of all images so far, on all ranks."""
        return detection_scores_of(self._total())


class CenterMetric(_SummedMetric):
    """Twin of ``center_scores``."""

    def __init__(self, background: int | None = None, **kwargs: Any) -> None:
        super().__init__(3, **kwargs)
        self.background = background

    def update(self, predicted: ImageInstances, true: ImageInstances) -> None:
        """Add the predictions and the truth of some images."""
        self._add(center_counts(predicted, true, self.background))

    def compute(self) -> CenterScores:
        """The scores of all images so far, on all ranks."""
        return center_scores_of(self._total())


class CountingMetric(_SummedMetric):
    """Twin of ``counting_scores``; the number of classes must be told."""

    def __init__(self, classes: int, **kwargs: Any) -> None:
        super().__init__(HEAD + classes, **kwargs)
        self.classes = classes

    def update(self, predicted: ImageInstances, true: ImageInstances) -> None:
        """Add the predictions and the truth of some images."""
        self._add(counting_sums(predicted, true, self.classes))

    def compute(self) -> CountingScores:
        """The scores of all images so far, on all ranks."""
        return counting_scores_of(self._total())


class ConfusionMetric(_SummedMetric):
    """Twin of ``confusion_matrix``."""

    def __init__(self, classes: int, threshold: float = 0.5, **kwargs: Any) -> None:
        super().__init__(classes + 1, classes + 1, **kwargs)
        self.classes = classes
        self.threshold = threshold

    def update(self, predicted: ImageInstances, true: ImageInstances) -> None:
        """Add the predictions and the truth of some images."""
        self._add(confusion_matrix(predicted, true, self.classes, self.threshold))

    def compute(self) -> NDArray[np.int64]:
        """The matrix of all images so far, on all ranks."""
        return self._total()


class PrototypeMetric(_SummedMetric):
    """Twin of ``assign_prototypes`` of ``prototype_contingency``."""

    def __init__(self, prototypes: int, classes: int, threshold: float = 0.5, **kwargs: Any) -> None:
        super().__init__(prototypes, classes, **kwargs)
        self.prototypes = prototypes
        self.classes = classes
        self.threshold = threshold

    def update(self, predicted: ImageInstances, true: ImageInstances) -> None:
        """Add the predictions (labels are prototypes) and the truth of some images."""
        self._add(prototype_contingency(predicted, true, self.prototypes, self.classes, self.threshold))

    def compute(self) -> NDArray[np.int64]:
        """(P,) the class of each prototype by all images so far, on all ranks."""
        return assign_prototypes(self._total())


class ReconstructionMetric(_SummedMetric):
    """Twin of ``reconstruction_rmse``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(2, dtype=torch.float64, **kwargs)

    def update(self, reconstructed: Tensor, images: Tensor) -> None:
        """Add some images, of any shape, in [0, 1]."""
        self._add(squared_error_sums(_floats(reconstructed), _floats(images)))

    def compute(self) -> float:
        """The error over all images so far, on all ranks."""
        return rmse_of(self._total())


class ForegroundARIMetric(_SummedMetric):
    """Twin of ``foreground_ari``."""

    def __init__(self, background: int = 0, **kwargs: Any) -> None:
        super().__init__(2, dtype=torch.float64, **kwargs)
        self.background = background

    def update(self, predicted: Tensor, true: Tensor) -> None:
        """Add (B, H, W) segments and objects."""
        self._add(ari_sums(predicted.cpu().numpy(), true.cpu().numpy(), self.background))

    def compute(self) -> float:
        """The mean over all images so far, on all ranks."""
        return mean_ari_of(self._total())


class LandmarkMetric(_SummedMetric):
    """Twin of ``landmark_error``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(2, dtype=torch.float64, **kwargs)

    def update(self, predicted: Tensor, true: Tensor, scale: Tensor | float) -> None:
        """Add (B, K, 2) landmarks and their truth, and the scale, one number or (B,)."""
        unit = _floats(scale) if isinstance(scale, Tensor) else scale
        self._add(landmark_error_sums(_floats(predicted), _floats(true), unit))

    def compute(self) -> float:
        """The mean over all landmarks so far, on all ranks."""
        return mean_landmark_error_of(self._total())


class SequenceMetric(_SummedMetric):
    """Twin of ``sequence_errors``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(4, **kwargs)

    def update(self, predicted: Sequence[Transcription], true: Sequence[Transcription]) -> None:
        """Add some transcriptions and their truth."""
        self._add(sequence_error_counts(predicted, true))

    def compute(self) -> SequenceErrors:
        """The errors over all sequences so far, on all ranks."""
        return sequence_errors_of(self._total())


class ClassificationErrorMetric(_SummedMetric):
    """Twin of ``classification_error``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(2, **kwargs)

    def update(self, predicted: Tensor, true: Tensor) -> None:
        """Add (N,) labels and their truth."""
        self._add(error_counts(predicted.cpu().numpy(), true.cpu().numpy()))

    def compute(self) -> float:
        """The error over all labels so far, on all ranks."""
        return error_rate_of(self._total())


class _GatheredMetric(Metric):
    """A measure that needs every row: (R, columns) float64, put together over batches and ranks.

    They are held flat, and the metric's own dtype is theirs, because torchmetrics lets a rank that saw no batch take
    part as an empty vector of that dtype.
    """

    full_state_update = False
    is_differentiable = False
    rows: list[Tensor] | Tensor

    def __init__(self, columns: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.columns = columns
        self.set_dtype(torch.float64)
        self.add_state("rows", [], dist_reduce_fx="cat")

    def _add(self, rows: NDArray[np.float64]) -> None:
        assert isinstance(self.rows, list)
        self.rows.append(torch.from_numpy(rows.reshape(-1)).to(self.device))

    def _total(self) -> NDArray[np.float64]:
        # A list while on one rank, one tensor once torchmetrics has gathered it.
        parts = self.rows if isinstance(self.rows, list) else [self.rows]
        return np.concatenate([np.zeros(0), *(part.cpu().numpy() for part in parts)]).reshape(-1, self.columns)


class AveragePrecisionMetric(_GatheredMetric):
    """Twin of ``average_precision``: one row a prediction, and one a true instance, which has no score (nan)."""

    def __init__(self, threshold: float = 0.5, **kwargs: Any) -> None:
        super().__init__(4, **kwargs)
        self.threshold = threshold

    def update(self, predicted: ImageInstances, true: ImageInstances) -> None:
        """Add the predictions and the truth of some images."""
        self._add(judged_predictions(predicted, true, self.threshold))
        labels = true_labels(true)
        truth = np.full((len(labels), 4), np.nan)
        truth[:, 1] = labels
        self._add(truth)

    def compute(self) -> AveragePrecision:
        """The average precision over all images so far, on all ranks."""
        rows = self._total()
        is_truth = np.isnan(rows[:, 0])
        return average_precision_of(rows[~is_truth], rows[is_truth, 1].astype(np.int64))


class OffsetMetric(_GatheredMetric):
    """Twin of ``offset_statistics``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(3, **kwargs)

    def update(self, predicted: ImageInstances, true: ImageInstances) -> None:
        """Add the predictions and the truth of some images."""
        self._add(center_offsets(predicted, true))

    def compute(self) -> OffsetStatistics:
        """The statistics over all images so far, on all ranks."""
        return offset_statistics_of(self._total())


class SizeMetric(_GatheredMetric):
    """Twin of ``size_statistics``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(1, **kwargs)

    def update(self, predicted: ImageInstances, true: ImageInstances) -> None:
        """Add the predictions and the truth of some images."""
        self._add(size_ratios(predicted, true))

    def compute(self) -> SizeStatistics:
        """The statistics over all images so far, on all ranks."""
        return size_statistics_of(self._total()[:, 0])


def _floats(values: Tensor) -> NDArray[Any]:
    # double() because numpy has no bfloat16, and the sums are in float64 anyway.
    return values.detach().cpu().double().numpy()
