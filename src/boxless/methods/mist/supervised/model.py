"""MIST's classifier, learned from boxes: what could be had with them, to compare with (CVPR 2021, table 2)."""

from boxless.methods.mist.classification.model import MistClassifier


class Supervised(MistClassifier):
    """The same networks; only their training knows more."""

    method = "supervised"
    sees_boxes = True
