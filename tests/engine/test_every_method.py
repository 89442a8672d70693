"""What the engine promises of every method: a run that is stopped and resumed ends as one that was not, to the bit."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from boxless.engine import run
from boxless.engine.calibration import calibrate
from boxless.engine.checkpoints import read_checkpoint
from boxless.engine.evaluation import evaluate
from boxless.engine.recipe import DataConfig
from boxless.engine.records import read_metrics
from boxless.engine.run import train
from boxless.engine.sources import known_images
from boxless.methods.detector import Detector
from boxless.methods.registry import MODELS
from boxless.report.evaluation import report_of
from tests.engine.tiny import pictures, tiny


def validated(directory: Path) -> list[dict[str, float]]:
    """What was validated after each step that was validated after; losses are averages since the last start."""
    return [
        {name: value for name, value in row.items() if name == "steps" or name.startswith("val/")}
        for row in read_metrics(directory)
    ]


class StopAt(Callback):
    """Stands in for the clock: ends a run after this step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        trainer.should_stop = module.steps_done == self.step


BY_INFORMATION = {"prototype_loss": "mutual-information", "adversary": 0.05}  # of tusk, see its config


@pytest.mark.parametrize("stop", [1, 2])  # in the middle of an epoch, and at its end
@pytest.mark.parametrize(("method", "training"), [*((method, {}) for method in MODELS), ("tusk", BY_INFORMATION)])
def test_stopped_and_resumed_equals_never_stopped_to_the_bit(
    method: str, training: dict[str, Any], stop: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, whole, stopped = tiny(method, pictures(tmp_path)), tmp_path / "whole", tmp_path / "stopped"
    recipe = replace(recipe, training=recipe.training | training)
    train(recipe, whole, progress=False)
    monkeypatch.setattr(run, "StopInTime", lambda seconds: StopAt(stop))
    train(recipe, stopped, max_time=1.0, progress=False)
    assert int(read_checkpoint(stopped / "last.ckpt")["state_dict"]["step_count"]) == stop
    torch.manual_seed(99)  # must not matter
    train(recipe, stopped, resume=True, progress=False)
    wanted, got = (read_checkpoint(own / "last.ckpt")["state_dict"] for own in (whole, stopped))
    assert int(got["step_count"]) == 4
    assert wanted.keys() == got.keys()
    assert all(torch.equal(wanted[name], got[name]) for name in wanted)
    if stop == 1:  # one validation more, which may be the best; TUSK centres boxes on the images since the last start
        assert validated(whole)[1:] == validated(stopped)[2:]
        return
    assert read_metrics(whole) == read_metrics(stopped)
    for name in ("model.safetensors", "model.json"):
        assert (whole / name).read_bytes() == (stopped / name).read_bytes()


@pytest.mark.parametrize("method", [name for name in MODELS if name != "mist-backbone"])
def test_images_of_a_folder_are_shrunk_once(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In validation, calibration, evaluation and the report too, which take images of a source, shrunk already."""
    folder, seen = pictures(tmp_path), set()
    boxes = [{"id": n, "image_id": n, "category_id": 0, "bbox": [9, 9, 20, 20]} for n in range(4)]
    images = [{"id": n, "file_name": f"{n}.png", "width": 60, "height": 50} for n in range(4)]
    categories = [{"id": 0, "name": "a"}, {"id": 1, "name": "b"}]
    coco = {"images": images, "annotations": boxes, "categories": categories}
    (folder / "coco.json").write_text(json.dumps(coco))
    recipe, computed = tiny(method, folder), Detector._computed

    def watching(self: Detector, images: Tensor, compute: Any) -> Any:
        seen.add(tuple(images.shape[2:]))
        return computed(self, images, compute)

    monkeypatch.setattr(Detector, "_computed", watching)
    settings = recipe.model | {"object_size": 10, "shrink": 0.5, "channels": 3}
    recipe = replace(recipe, data=DataConfig(folder=str(folder), validation_share=0.5), model=settings)
    detector = train(recipe, tmp_path / "run", progress=False)
    assert seen == {(25, 30)}
    seen.clear()
    found = evaluate(detector, folder)
    assert found.detection is not None
    report_of(found, detector, "shrunk")
    if detector.learns_from_counts:
        calibrate(detector, known_images(detector, str(folder))[0], scores=True)
    assert seen == {(25, 30)}
    detector.detect(torch.rand(3, 50, 60))
    assert seen == {(25, 30)}
