"""Images as networks that ImageNet has trained in PyTorch see them."""

from torch import Tensor

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pixels, RGB in [0, 1]


def normalised(images: Tensor) -> Tensor:
    """RGB in [0, 1], (B, 3, H, W), to a mean of 0 and a deviation of 1 over ImageNet."""
    return (images - images.new_tensor(MEAN).view(1, 3, 1, 1)) / images.new_tensor(DEVIATION).view(1, 3, 1, 1)
