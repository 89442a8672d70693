"""A trained model as one ONNX file, for runtimes without PyTorch: what ``detect`` computes, as a graph."""

import json
import logging
import warnings
from contextlib import redirect_stdout
from copy import deepcopy
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from boxless.data.files import write_atomically
from boxless.data.resize import centers_to_original, fitted_size, sizes_to_original
from boxless.errors import BoxlessError
from boxless.methods.detector import Detector
from boxless.models import load

INPUT = "images"
OPSET = 18  # the first whose resizing is antialiased


def export(model: Detector | str | Path, out: str | Path, size: tuple[int, int], batch_size: int = 1) -> list[str]:
    """Write a model as an ONNX file, whole or not at all, that finds what ``detect`` finds without ``k`` or threshold.

    Its input ``images`` is (B, C, H, W) float32 in [0, 1], colours as RGB, of the one size it is made for. Its outputs
    are those of ``Detector.outputs``, in pixels of these images: of most methods ``centers`` (x and y), ``sizes``
    (width and height), ``scores`` and ``labels`` of N candidates, and ``keep``, which of them are instances; of mcmil
    the map of class probabilities, and where its places lie. What else one has to know stands in the file's metadata:
    method, class names (JSON), and the score from which to count, if the model has one.

    Args:
        model: a detector, which stays as it is; a run, a saved model, or the name of a shipped one.
        out: the file to write.
        size: height and width of the images, in pixels.
        batch_size: how many images at once, exactly.

    Returns:
        The names of the outputs.

    Raises:
        BoxlessError: there is no such model, it cannot see images of this size or be exported, or the packages for
            ONNX are missing.
    """
    if missing := [name for name in ("onnx", "onnxscript") if find_spec(name) is None]:
        raise BoxlessError(f"ONNX files need the package {missing[0]}: pip install 'boxless[onnx]'.")
    if min(*size, batch_size) < 1:
        raise BoxlessError(f"Height, width and batch_size are at least 1, not {size[0]}, {size[1]} and {batch_size}.")
    detector = deepcopy(model).cpu().eval() if isinstance(model, Detector) else load(model)
    graph = _Graph(detector, size)
    images = torch.zeros(batch_size, detector.config.channels, *size)
    with torch.no_grad():
        names = list(graph(images))
        try:
            program = _program(graph, images, names)
        except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
            raise BoxlessError(
                f"This {detector.method} model cannot be written as ONNX ({str(error).splitlines()[0]})."
            ) from error
    program.model.metadata_props.update(_metadata(detector))
    write_atomically(Path(out), program.model_proto.SerializeToString())
    return names


class _Graph(nn.Module):
    """What an exported model computes: images of one size, brought to the size that the network sees, and back."""

    def __init__(self, detector: Detector, size: tuple[int, int]) -> None:
        super().__init__()
        self.detector = detector
        self.seen = fitted_size(size, detector.config.max_side, detector.shrink)
        self.scale = (self.seen[1] / size[1], self.seen[0] / size[0])

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        if self.scale == (1.0, 1.0):
            return self.detector.outputs(images)
        seen = interpolate(images, size=self.seen, mode="bilinear", align_corners=False, antialias=True)
        outputs = self.detector.outputs(seen)
        for axis, name in enumerate(("x", "y")):
            if name in outputs:
                outputs[name] = (outputs[name] + 0.5) / self.scale[axis] - 0.5
        if "centers" in outputs:
            outputs["centers"] = centers_to_original(outputs["centers"], self.scale)
            outputs["sizes"] = sizes_to_original(outputs["sizes"], self.scale)
        return outputs


def _program(graph: _Graph, images: Tensor, names: list[str]) -> Any:
    """The graph of ONNX; the packages' own talk, of which a user can make nothing, is left out."""
    talking = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in talking]
    for logger in talking:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            return torch.onnx.export(
                graph,
                (images,),
                dynamo=True,
                input_names=[INPUT],
                output_names=names,
                opset_version=OPSET,
                verbose=False,
            )
    finally:
        for logger, level in zip(talking, levels, strict=True):
            logger.setLevel(level)


def _metadata(detector: Detector) -> dict[str, str]:
    """What stands in the file beside the graph."""
    metadata = {"method": detector.method, "class_names": json.dumps(list(detector.config.class_names))}
    if detector.calibrated_threshold is not None:
        metadata["threshold"] = repr(detector.calibrated_threshold)
    return metadata
