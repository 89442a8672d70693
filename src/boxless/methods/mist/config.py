"""What a MIST classifier is: plain values, saved beside the weights."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MistClassifierConfig:
    """The networks and the extractor of a MIST classifier.

    Attributes:
        class_names: name of each class, by id; background is not among them.
        instances: K, the patches taken from an image.
        background: one more output of the classifier, for patches without an object; needed where images hold
            fewer than K objects.
        channels: of the images, 1 or 3.
        object_size: side of the box of an object, in pixels of the image that the network sees.
        max_side: images are shrunk so that their longer side is at most this, in pixels; None leaves them.
        patch_size: samples along each side of a patch; twice for each level of the classifier.
        heatmap_channels, heatmap_blocks: of the heatmap network.
        classifier_channels: of each level of the classifier.
        softmax_size, softmax_strength: window in pixels and factor of the local softmax.
        suppression_size: window of the non-maximum suppression, in pixels.
        refine_size: window of the sub-pixel soft-argmax, in pixels; 1 leaves peaks on whole pixels.
    """

    class_names: tuple[str, ...]
    instances: int = 9
    background: bool = False
    channels: int = 1
    object_size: float = 20.0
    max_side: int | None = None
    patch_size: int = 32
    heatmap_channels: int = 32
    heatmap_blocks: int = 4
    classifier_channels: tuple[int, ...] = (8, 16, 32, 64, 128)
    softmax_size: int = 15
    softmax_strength: float = 10.0
    suppression_size: int = 5
    refine_size: int = 1

    def __post_init__(self) -> None:
        if self.patch_size != 2 ** len(self.classifier_channels):
            raise ValueError(
                f"patch_size must be {2 ** len(self.classifier_channels)} for {len(self.classifier_channels)} levels "
                f"of classifier_channels, not {self.patch_size}."
            )
        if self.channels not in (1, 3):
            raise ValueError(f"channels must be 1 (grey) or 3 (RGB), not {self.channels}.")
        if self.instances < 1 or not self.class_names:
            raise ValueError("a classifier needs at least one instance an image and one class name.")
