"""Run by ``test_on_a_gpu``: finds and learns, on the CPU and on the stand-in for a GPU, and prints both as JSON."""

import json
import sys
import tempfile
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from tests.gpu_standin import DEVICE, Standin, moved

torch.inference_mode = torch.no_grad  # type: ignore[misc, assignment]  # which takes no tensors made outside of it

from boxless import hardware  # noqa: E402
from boxless.engine.calibration import calibrate  # noqa: E402
from boxless.engine.evaluation import evaluate  # noqa: E402
from boxless.engine.recipe import DataConfig, Recipe  # noqa: E402
from boxless.engine.run import build  # noqa: E402
from boxless.methods.detector import Detector  # noqa: E402
from boxless.methods.registry import MODELS  # noqa: E402
from boxless.models import load  # noqa: E402
from boxless.report.evaluation import report_of  # noqa: E402
from tests.engine.tiny import pictures, tiny  # noqa: E402

STEPS = 3
TRAININGS: list[tuple[str, dict[str, Any]]] = [
    *((method, {}) for method in MODELS),
    ("mist-classify", {"keypoint_step": "gradient"}),
    ("mcmil", {"warped": 0.5}),
    ("tusk", {"prototype_loss": "mutual-information", "adversary": 0.05}),
    ("tusk", {"prototype_loss": "wasserstein"}),
]


def made(name: str, folder: Path) -> Detector:
    """A method, small and untrained, or a shipped model."""
    torch.manual_seed(0)
    if name not in MODELS:
        return load(name)
    model: Detector = build(tiny(name, folder))[0].model
    return model.eval()


def told(detector: Detector, folder: Path) -> dict[str, Any]:
    """All that the verbs of the command line do with a detector: evaluate, tell, calibrate and save."""
    layout = "extended-mnist" if detector.method == "mcmil" else "mnist-3"
    scenes = DataConfig(layout=layout, glyphs="digits")
    evaluation = evaluate(detector, DataConfig(str(folder)) if detector.method == "mist-backbone" else scenes, images=6)
    report_of(evaluation, detector, "a test")
    if detector.learns_from_counts:
        calibrate(detector, evaluation.source, scores=True)
    with tempfile.TemporaryDirectory() as directory:
        detector.save(directory)
        load(directory)
    threshold = detector.calibrated_threshold
    return evaluation.metrics() | ({} if threshold is None else {"threshold": threshold})


def found_on_both(name: str, folder: Path) -> list[dict[str, Any]]:
    """What is told of a model on the CPU, and on the stand-in."""
    here = told(made(name, folder), folder)
    detector = moved(made(name, folder))
    with Standin():
        return [here, told(detector, folder)]


class OneProcess:
    """What loaders ask of Lightning's trainer."""

    global_rank, world_size = 0, 1


def learned(recipe: Recipe, device: torch.device) -> dict[str, float]:
    """The losses of a training's first steps, without Lightning, which knows no stand-in."""
    torch.manual_seed(0)
    module, data = build(recipe)
    if device == DEVICE:
        moved(module)
    with Standin(), patch.object(type(module), "device", device):
        configured = module.configure_optimizers()
        module.optimizers = lambda: configured  # type: ignore[method-assign]
        module.manual_backward = lambda loss: loss.backward()  # type: ignore[method-assign]
        for number, batch in enumerate(islice(data.training(OneProcess()), STEPS)):  # type: ignore[arg-type]
            module.training_step(module.on_after_batch_transfer(batch.to(device), 0), number)
        return {name: float(total) for name, (total, _) in module._sums.items()}


def learned_on_both(method: str, folder: Path, training: dict[str, Any]) -> list[dict[str, float]]:
    recipe = tiny(method, folder)
    recipe = replace(recipe, training=recipe.training | training)
    return [learned(recipe, device) for device in (torch.device("cpu"), DEVICE)]


def main(names: list[str]) -> None:
    hardware.has_bf16 = lambda device="cpu": False  # rounding would differ
    with tempfile.TemporaryDirectory() as root:
        folder = pictures(Path(root))
        found = {name: found_on_both(name, folder) for name in names}
        learned = {f"{method} {more}": learned_on_both(method, folder, more) for method, more in TRAININGS}
    print(json.dumps({"found": found, "learned": learned}))


def refuse_to_mix() -> None:
    """A stand-in that let tensors of two devices meet would prove nothing."""
    with Standin():
        assert (torch.ones(2, device=DEVICE) + 1).cpu().tolist() == [2, 2]
        ones = torch.ones(2, device=DEVICE)
        for wrong in (lambda: ones + torch.ones(2), ones.numpy):
            try:
                wrong()
            except (RuntimeError, TypeError):
                continue
            raise AssertionError("tensors of two devices met")


if __name__ == "__main__":
    refuse_to_mix()
    main(sys.argv[1:])
