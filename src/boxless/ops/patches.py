"""Patches: crop K of them out of an image, and put them back.

Conventions
    A patch is an axis-parallel rectangle given by its centre (x, y) and its size (width, height), in pixels of the
    image, the centre of the top-left pixel at (0, 0). Its P×P samples lie at the centres of P×P equal cells:
    x_i = x + ((i + ½)/P − ½)·width. So a patch of size P at a centre that puts x_0 on a pixel is plain slicing.

Bilinear interpolation along each axis is a matrix of hat functions, (P, W) for x and (P, H) for y. A crop is then
two matrix products, and the paste the same two transposed: the exact adjoint of the crop, in place and in size. A
paste of another size than P ripples where samples and pixels drift apart; so images are rebuilt by :func:`place`.
Memory grows linearly in B, K, P and H + W. Autocast does not reach them: hats rounded to bfloat16 move what they weigh.
"""

import torch
from torch import Tensor


def crop(images: Tensor, centers: Tensor, sizes: Tensor, patch_size: int) -> Tensor:
    """S: sample K patches of each image, bilinearly (MIST, section 4.1). Outside of the image lies zero.

    Differentiable in the image, the centres and the sizes. Where a sample lies on a pixel the slope jumps, and the
    gradient is the mean of the slopes to both sides: the central difference.

    Args:
        images: (B, C, H, W).
        centers: (B, K, 2) x and y, in pixels.
        sizes: (B, K, 2) width and height, in pixels.
        patch_size: P, samples along each side.

    Returns:
        (B, K, C, P, P), of the type of the centres.

    Raises:
        ValueError: if the shapes of ``centers`` and ``sizes`` do not fit.
    """
    _check_boxes(images.shape[0], centers, sizes)
    return _taken(images, *_hats(centers, sizes, patch_size, images.shape[-2:]))


def cut(images: Tensor, centers: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Squares of whole pixels around points: the part of a large image that a :func:`crop` there looks at.

    Args:
        images: (B, C, H, W); outside of it lies zero.
        centers: (B, K, 2) x and y, in pixels.
        side: of the squares, in pixels.

    Returns:
        The squares (B, K, C, side, side), and the place (B, K, 2) of the top-left pixel of each, x and y.
    """
    batch, channels, height, width = images.shape
    corners = centers.round().long() - side // 2
    step = torch.arange(side, device=centers.device)
    x, y = corners[..., 0, None] + step, corners[..., 1, None] + step  # (B, K, side)
    inside = ((y >= 0) & (y < height)).unsqueeze(-1) & ((x >= 0) & (x < width)).unsqueeze(-2)
    index = y.clamp(0, height - 1).unsqueeze(-1) * width + x.clamp(0, width - 1).unsqueeze(-2)  # (B, K, side, side)
    pixels = images.flatten(2).gather(2, index.view(batch, 1, -1).expand(-1, channels, -1))
    squares = pixels.view(batch, channels, -1, side, side).transpose(1, 2)
    return squares * inside.unsqueeze(2), corners.to(centers.dtype)


def paste(patches: Tensor, centers: Tensor, sizes: Tensor, image_size: tuple[int, int]) -> Tensor:
    """S⁻¹ and sum: put patches on a black canvas where they were cropped, adding where they overlap (MIST, eq. 8).

    The exact adjoint of :func:`crop`: ⟨crop(I), P⟩ = ⟨I, paste(P)⟩. Where the size is P and the samples lie on pixels,
    it also undoes the crop. Of another size, a patch keeps its sum, not its brightness: that changes by (P/size)².
    Differentiable in the patches, the centres and the sizes.

    Args:
        patches: (B, K, C, P, P).
        centers: (B, K, 2) x and y, in pixels.
        sizes: (B, K, 2) width and height, in pixels.
        image_size: height and width of the canvas.

    Returns:
        (B, C, H, W), of the type of the centres.

    Raises:
        ValueError: if the shapes of ``centers`` and ``sizes`` do not fit.
    """
    _check_boxes(patches.shape[0], centers, sizes)
    return _laid(patches, *_hats(centers, sizes, patches.shape[-1], image_size))


def place(patches: Tensor, centers: Tensor, sizes: Tensor, image_size: tuple[int, int]) -> Tensor:
    """S⁻¹ and sum, as bright as the patches are at any size: each pixel reads the patches that it lies in, bilinearly.

    A pixel that a patch covers in part, at its edge, gets that part. Where the size is P this is :func:`paste`.
    Arguments, result and errors are those of it. Differentiable in the patches, the centres and the sizes.
    """
    _check_boxes(patches.shape[0], centers, sizes)
    return _laid(patches, *_look_ups(centers, sizes, patches.shape[-1], image_size))


def covered(images: Tensor, centers: Tensor, sizes: Tensor, patch_size: int) -> Tensor:
    """The exact adjoint of :func:`place`: what each sample of a patch is multiplied with, summed over the image.

    ⟨covered(I), P⟩ = ⟨I, place(P)⟩. Arguments, result and errors are those of :func:`crop`.
    """
    _check_boxes(images.shape[0], centers, sizes)
    return _taken(images, *_look_ups(centers, sizes, patch_size, images.shape[-2:]))


def placed_energy(patches: Tensor, centers: Tensor, sizes: Tensor, image_size: tuple[int, int]) -> Tensor:
    """‖place(P)‖² of each patch alone, (B, K); it makes no image. Arguments and errors are those of :func:`place`."""
    _check_boxes(patches.shape[0], centers, sizes)
    weights = _look_ups(centers, sizes, patches.shape[-1], image_size)
    with torch.autocast(patches.device.type, enabled=False):
        columns, rows = (values @ values.transpose(-2, -1) for values in weights)  # (B, K, P, P)
        patches = patches.to(columns.dtype)
        return (patches * (rows.unsqueeze(2) @ patches @ columns.unsqueeze(2))).sum(dim=(2, 3, 4))


def _taken(images: Tensor, columns: Tensor, rows: Tensor) -> Tensor:
    """(B, C, H, W) by weights (B, K, P, W) and (B, K, P, H) to (B, K, C, P, P)."""
    batch, k, side, height = rows.shape
    channels, width = images.shape[1], images.shape[3]
    with torch.autocast(images.device.type, enabled=False):
        # the rows of all K patches at once: (B, 1, K·P, H) @ (B, C, H, W)
        strips = torch.matmul(rows.reshape(batch, 1, k * side, height), images.to(rows.dtype))
        strips = strips.view(batch, channels, k, side, width).transpose(1, 2)  # (B, K, C, P, W)
        return torch.matmul(strips, columns.unsqueeze(2).transpose(-2, -1))


def _laid(patches: Tensor, columns: Tensor, rows: Tensor) -> Tensor:
    """The adjoint of :func:`_taken`: (B, K, C, P, P) to (B, C, H, W)."""
    with torch.autocast(patches.device.type, enabled=False):
        wide = torch.matmul(patches.to(columns.dtype), columns.unsqueeze(2))  # (B, K, C, P, W)
        batch, k, channels, side, width = wide.shape
        wide = wide.transpose(1, 2).reshape(batch, channels, k * side, width)
        return torch.matmul(rows.reshape(batch, 1, k * side, rows.shape[-1]).transpose(-2, -1), wide)


def _look_ups(
    centers: Tensor, sizes: Tensor, patch_size: int, image_size: tuple[int, int] | torch.Size
) -> tuple[Tensor, Tensor]:
    """Weights of the samples of each axis in each pixel: columns (B, K, P, W) and rows (B, K, P, H)."""
    height, width = image_size
    weights = []
    for axis, length in ((0, width), (1, height)):
        pixels = torch.arange(length, device=centers.device, dtype=centers.dtype)
        offsets = pixels - centers[..., axis, None]  # (B, K, W)
        size = sizes[..., axis, None]
        part = torch.minimum(0.5 + size / 2 - offsets.abs(), size.clamp_max(1.0)).clamp_min(0.0)  # of the pixel
        places = (offsets / size * patch_size + (patch_size - 1) / 2).clamp(0.0, patch_size - 1.0)
        samples = torch.arange(patch_size, device=centers.device, dtype=centers.dtype)
        weights.append(_hat(places.unsqueeze(-2) - samples.unsqueeze(-1)) * part.unsqueeze(-2))
    return weights[0], weights[1]


def _hats(
    centers: Tensor, sizes: Tensor, patch_size: int, image_size: tuple[int, int] | torch.Size
) -> tuple[Tensor, Tensor]:
    """Weights of the pixels of each axis in each sample: columns (B, K, P, W) and rows (B, K, P, H)."""
    cell = torch.arange(patch_size, device=centers.device, dtype=centers.dtype) + (0.5 - patch_size / 2)
    samples = centers.unsqueeze(-1) + sizes.unsqueeze(-1) * cell / patch_size  # (B, K, 2, P), exact where size is P
    height, width = image_size
    x = samples[:, :, 0].unsqueeze(-1) - torch.arange(width, device=centers.device, dtype=centers.dtype)
    y = samples[:, :, 1].unsqueeze(-1) - torch.arange(height, device=centers.device, dtype=centers.dtype)
    return _hat(x), _hat(y)


def _hat(distance: Tensor) -> Tensor:
    """max(0, 1 − |d|). ``maximum`` gives half the slope at |d| = 1, so that the slopes of a sample on a pixel average;
    ``clamp_min`` would give all of it, and twice the gradient there.
    """
    weight = 1.0 - distance.abs()
    return torch.maximum(weight, weight.new_zeros(()))


def _check_boxes(batch: int, centers: Tensor, sizes: Tensor) -> None:
    if centers.ndim != 3 or centers.shape[0] != batch or centers.shape[2] != 2 or sizes.shape != centers.shape:
        raise ValueError(
            f"centers and sizes are both ({batch}, K, 2), not {tuple(centers.shape)} and {tuple(sizes.shape)}."
        )
