"""A detector whose answers are told beforehand."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from boxless.instances import Instances
from boxless.methods.detector import Detector


@dataclass(frozen=True)
class ToldConfig:
    class_names: tuple[str, ...] = ("a", "b")
    channels: int = 1
    max_side: int | None = None


class Told(Detector):
    """Answers as it is told, by the size of the image, and remembers what it was asked."""

    method = "told"

    def __init__(self, answers: dict[tuple[int, int], list[tuple[int, float, float]]], **config: Any) -> None:
        super().__init__()
        self.answers, self.config = answers, ToldConfig(**config)
        self.asked: list[tuple[tuple[int, int], int | None, float | None]] = []

    def detect(  # type: ignore[override]
        self, images: Sequence[Tensor], *, k: int | None = None, threshold: float | None = None, batch_size: int = 32
    ) -> list[Instances]:
        found = []
        for image in images:
            size = (image.shape[1], image.shape[2])
            self.asked.append((size, k, threshold))
            rows = self.answers.get(size, [])[:k]
            found.append(
                Instances(
                    [(x, y) for _, x, y in rows],
                    [(6, 6)] * len(rows),
                    labels=[label for label, _, _ in rows],
                    class_names=self.config.class_names,
                    image_size=size,
                )
            )
        return found
