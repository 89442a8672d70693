"""Equivariance: what a network says of a warped image is the warp of what it says of the image (TUSK, section 3.3)."""

from torch import Tensor

from boxless.ops.warp import Warp, valid_pixels, warp_images


def equivariance_loss(of_warped: Tensor, of_source: Tensor, warp: Warp) -> Tensor:
    """‖E(T(I)) − T(E(I))‖² for each image: the mean over channels and pixels (TUSK, eq. 4).

    Pixels that the warp brings in from outside of the source count for nothing. For the heatmap and the feature map
    separately, each with its own weight.

    Args:
        of_warped: (B, C, H, W) what the network says of the warped images.
        of_source: (B, C, H, W) what it says of the images themselves.
        warp: T.

    Returns:
        (B,) not negative, float32 at least, with a gradient to both. Zero where the warp shows nothing of the source.

    Raises:
        ValueError: if the two differ in shape, or from the warp in number or size.
    """
    if of_warped.shape != of_source.shape:
        raise ValueError(f"the two maps are of one shape, not {tuple(of_warped.shape)} and {tuple(of_source.shape)}.")
    target = warp_images(of_source, warp)
    error = (of_warped.to(target.dtype) - target).square().mean(dim=1)  # (B, H, W)
    valid = valid_pixels(warp)
    return (error * valid).sum((1, 2)) / valid.sum((1, 2)).clamp_min(1)
