"""Measures that tables of several methods show: name in ``Evaluation.metrics()`` to title."""

DETECTION = {"localization": "IOU 50 %", "classification": "Classif.", "both": "Both"}
