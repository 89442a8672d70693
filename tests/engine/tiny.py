"""Trainings small enough for a test: three digits, thin networks, no compilation; and four pictures."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from boxless.engine.recipe import Recipe, recipe_from


def tiny_recipe(training: dict[str, Any] | None = None, **run: Any) -> Recipe:
    return recipe_from(
        {
            "method": "mist-classify",
            "data": {"layout": "mnist-3", "glyphs": "digits", "validation_size": 8, "train_size": 64},
            "model": {
                "instances": 3,
                "heatmap_channels": 4,
                "heatmap_blocks": 1,
                "patch_size": 8,
                "classifier_channels": [4, 4, 4],
            },
            "training": {"warmup": 2, "averaging": 0.5} | (training or {}),
            "run": {"steps": 6, "steps_per_epoch": 2, "batch_size": 4, "compile": False} | run,
        },
        "test",
    )


def tiny_tusk(data: dict[str, Any] | None = None, model: dict[str, Any] | None = None, **run: Any) -> Recipe:
    """Three digits, a thin U-Net, no compilation."""
    return recipe_from(
        {
            "method": "tusk",
            "data": {"layout": "mnist-3", "glyphs": "digits", "validation_size": 6, "train_size": 32} | (data or {}),
            "model": {"instances": 3, "prototypes": 5, "net_channels": [4, 6, 8], "descriptor_size": 6} | (model or {}),
            "training": {"warmup": 2, "averaging": 0.5, "prototype_steps": 2, "naming_images": 6},
            "run": {"steps": 4, "steps_per_epoch": 2, "batch_size": 4, "compile": False} | run,
        },
        "test",
    )


def tiny(method: str, folder: Path, **run: Any) -> Recipe:
    """Four steps of a method, on digits or, with a backbone, on the pictures in a folder."""
    if method in ("mist-classify", "supervised"):
        return replace(tiny_recipe(**{"steps": 4} | run), method=method)
    if method == "tusk":
        return tiny_tusk(**run)
    digits = {"glyphs": "digits", "validation_size": 6, "train_size": 32}
    parts: dict[str, dict[str, Any]] = {
        "mist-reconstruct": {
            "data": digits | {"layout": "mnist-3"},
            "model": {
                "instances": 3,
                "heatmap_channels": 4,
                "heatmap_blocks": 1,
                "patch_size": 8,
                "encoder_channels": [4, 4, 4],
            },
            "training": {"warmup": 2, "averaging": 0.5},
        },
        "mist-backbone": {
            "data": {"folder": str(folder), "validation_share": 0.5},
            "model": {"backbone": "squeezenet", "shorter_edge": 64, "heatmap_channels": 4, "classifier_channels": 8},
            "training": {"pretrained": False},
        },
        "mcmil": {
            "data": digits | {"layout": "extended-mnist"},
            "model": {"widths": [4, 4, 4, 4, 4]},
            "training": {"warmup": 2, "averaging": 0.5},
        },
    }
    steps = {"steps": 4, "steps_per_epoch": 2, "batch_size": 4, "compile": False}
    return recipe_from({"method": method, "run": steps | run} | parts[method], "test")


def pictures(root: Path) -> Path:
    """A folder in ``root`` of four pictures of noise, with the names of what they are to hold."""
    folder = root / "pictures"
    folder.mkdir()
    for number in range(4):
        noise = np.random.default_rng(number).integers(0, 256, (50, 60, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.png")
    (folder / "metadata.csv").write_text("file_name,labels\n0.png,a\n1.png,b\n2.png,a b\n3.png,\n")
    return folder
