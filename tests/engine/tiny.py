"""A training small enough for a test: three digits, thin networks, no compilation."""

from typing import Any

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
