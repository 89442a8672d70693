"""What a MIST model on a frozen backbone is (plain values, saved beside the weights), and how it is trained.

Imports nothing heavy: the command line makes its options of these.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class MistBackboneConfig:
    """MIST on natural images.

    Attributes:
        class_names: name of each class, by id; background is not among them, but always an output of the classifier.
        instances: K, the patches taken from an image.
        channels: of the images: 3, as backbones see colours.
        max_side: images are shrunk so that their longer side is at most this, in pixels, before anything else.
        shorter_edge: images are resized so that their shorter side is this, in pixels: as the backbone was trained.
        backbone: "squeezenet", or the name of a model on Hugging Face's hub, for which transformers must be there:
            "microsoft/resnet-34" (the paper's), "facebook/dinov2-small" or the like.
        architecture: of a backbone of the hub, as JSON; it is filled in by the model, so that a saved one is built
            without the hub.
        box_share: side of the box of an object, as a share of the shorter edge; with anchors they say it.
        anchors: tell the size of the box, by four anchors with soft scores, a quarter and three quarters of the shorter
            edge wide and high.
        patch_size: samples along each side of a patch of the feature map.
        heatmap_channels: of the head that finds peaks.
        classifier_channels: of the head that names patches.
        suppression_size: window of the non-maximum suppression, in cells of the feature map.
    """

    class_names: tuple[str, ...]
    instances: int = 2
    channels: int = 3
    max_side: int | None = 640
    shorter_edge: int = 224
    backbone: str = "microsoft/resnet-34"
    architecture: str = ""
    box_share: float = 0.5
    anchors: bool = False
    patch_size: int = 7
    heatmap_channels: int = 32
    classifier_channels: int = 256
    suppression_size: int = 3

    def __post_init__(self) -> None:
        if self.channels != 3:
            raise ValueError(f"channels must be 3, for the colours that a backbone sees, not {self.channels}.")
        if self.instances < 1 or not self.class_names:
            raise ValueError("a model needs at least one instance an image and one class name.")
        if len(set(self.class_names)) < len(self.class_names):
            raise ValueError(f"class_names must differ, not be {', '.join(self.class_names)}.")
        if not self.backbone:
            raise ValueError('backbone is "squeezenet" or the name of a model on the hub, and not empty.')
        if self.max_side is not None and self.max_side < 1:
            raise ValueError(f"max_side is at least 1 pixel, not {self.max_side}.")
        if self.shorter_edge < 64:
            raise ValueError(f"shorter_edge is at least 64 pixels, four cells, not {self.shorter_edge}.")
        if not 0 < self.box_share <= 1:
            raise ValueError(f"box_share is a share above 0, at most 1, not {self.box_share}.")
        if min(self.patch_size, self.heatmap_channels, self.classifier_channels) < 1:
            raise ValueError("patch_size, heatmap_channels and classifier_channels are at least 1.")
        if self.suppression_size < 1 or self.suppression_size % 2 == 0:
            raise ValueError(f"suppression_size is a window with an odd side, not {self.suppression_size}.")


@dataclass(frozen=True, kw_only=True)
class MistBackboneTrainingConfig:
    """Algorithm 1 on the features of a frozen backbone.

    Attributes:
        pretrained: start from the backbone's published weights; else it stays random, for comparison.
        heatmap_rate: Adam's learning rate for the heatmap head.
        task_rate: Adam's learning rate for the classifier.
        keypoint_rate: of plain gradient descent on the loss of one sample, in squared pixels (the release's 1e3 for a
            mean over 16 samples is 62.5).
        keypoint_steps: of the keypoints a batch.
        offset_weight: of the Huber loss on the offsets, and on the sizes of boxes, beside that on the response.
        trust: a sample's heatmap loss is weighted by exp(−trust · its task loss).
        augmentation: flip images at random, and mask a square of each.
    """

    pretrained: bool = True
    heatmap_rate: float = 1e-4
    task_rate: float = 1e-4
    keypoint_rate: float = 62.5
    keypoint_steps: int = 2
    offset_weight: float = 0.1
    trust: float = 5.0
    augmentation: bool = True

    def __post_init__(self) -> None:
        for name in ("heatmap_rate", "task_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is a learning rate above 0, not {getattr(self, name)}.")
        for name in ("keypoint_rate", "keypoint_steps", "offset_weight", "trust"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is not negative, as {getattr(self, name)} is.")
