r"""Labels whose contours follow the edges of the picture.

Between the centres of four cells scores are mixed bilinearly, wherever the picture has its edges. Where classes meet,
cells that look like the pixel count more (joint bilateral upsampling, Kopf et al. 2007)::

    F[p] = sum_q b[p, q] exp(-|I[p] - I[q]| / LIKENESS) F[q]

over the four cells q around a pixel p; b: the bilinear weights, I: Y, U and V of the pixel and means of the cells.
"""

import av
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from taplab.compiled import njit
from taplab.labels import labels_from_scores
from taplab.scoremap.cells import CellPicture, cell_picture
from taplab.scoremap.contours import Contours, best_classes, candidates, grows, taps
from taplab.types import Labels, Plane
from taplab.video.planes import yuv_planes

LIKENESS = 15.0  # grey levels, summed over Y, U and V: difference at which a cell counts 1 / e
_WEIGHT = np.exp(-np.arange(3 * 256, dtype=np.float32) / LIKENESS) + np.float32(1e-6)


def labels_along_edges(scores: Tensor | Contours, picture: av.VideoFrame, size: tuple[int, int]) -> Labels:
    """As ``labels_from_scores``, with contours along the edges of ``picture`` if that is larger than the score map."""
    cells = scores.best.shape if isinstance(scores, Contours) else tuple(scores.shape[-2:])
    if not grows(cells, size) or tuple(cells) == size:
        return labels_from_scores(scores, size)
    known = scores.colours if isinstance(scores, Contours) else None
    colours = cell_picture(picture, (int(cells[0]), int(cells[1]))) if known is None else known
    if isinstance(scores, Tensor):
        if scores.device.type != "cpu":
            return _defined(scores, picture, size, colours)
        planes = scores.float().contiguous().numpy()
        scores = Contours(best_classes(planes), planes.transpose(1, 2, 0), len(planes))
    labels = scores.at(size)
    vertical, horizontal = taps(size[0], cells[0]), taps(size[1], cells[1])
    luma, *chroma = yuv_planes(picture)
    rows, columns = _nearest(size[0], chroma[0].shape[0]), _nearest(size[1], chroma[0].shape[1])
    pixels = luma, chroma[0], chroma[1], rows, columns
    _follow(scores.best, scores.scores, scores.classes, vertical, horizontal, pixels, colours, _WEIGHT, labels)
    return labels


def _nearest(pixels: int, samples: int) -> NDArray[np.int32]:
    """The chroma sample of each pixel."""
    found: NDArray[np.int32] = (np.arange(pixels) * samples // pixels).astype(np.int32)
    return found


def _defined(scores: Tensor, picture: av.VideoFrame, size: tuple[int, int], colours: CellPicture) -> Labels:
    """By the formula, everywhere: on a GPU, and to test the kernel against."""
    device = scores.device
    planes = [torch.from_numpy(np.array(plane)).to(device)[None, None].float() for plane in yuv_planes(picture)]
    pixels = torch.cat([F.interpolate(plane, size, mode="nearest") for plane in planes], 1)[0]
    means = torch.from_numpy(colours).to(device).permute(2, 0, 1)[:3]
    (y, fy), (x, fx) = (_between(pixels, cells, device) for pixels, cells in zip(size, scores.shape[-2:], strict=True))
    total = scores.new_zeros((len(scores), *size), dtype=torch.float32)
    for down in (0, 1):
        for right in (0, 1):
            i, j = (y + down).clamp(max=scores.shape[-2] - 1), (x + right).clamp(max=scores.shape[-1] - 1)
            unlike = (means[:, i][:, :, j] - pixels).abs().sum(0)
            bilinear = (fy if down else 1 - fy)[:, None] * (fx if right else 1 - fx)
            total += bilinear * (torch.exp(-unlike / LIKENESS) + 1e-6) * scores[:, i][:, :, j]
    labels: Labels = total.argmax(0).to(torch.uint8).cpu().numpy()
    return labels


def _between(pixels: int, cells: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The cell before each pixel, and how far behind its centre the pixel lies."""
    position = ((torch.arange(pixels, device=device) + 0.5) * (cells / pixels) - 0.5).clamp(0, cells - 1)
    cell = position.long().clamp(max=max(cells - 2, 0))
    return cell, position - cell


@njit(cache=True, nogil=True)
def _follow(
    best: Labels,
    scores: NDArray[np.float32],
    classes: int,
    vertical: tuple[NDArray[np.int32], NDArray[np.float32]],
    horizontal: tuple[NDArray[np.int32], NDArray[np.float32]],
    pixels: tuple[Plane, Plane, Plane, NDArray[np.int32], NDArray[np.int32]],
    colours: CellPicture,
    table: NDArray[np.float32],
    out: Labels,
) -> None:  # pragma: no cover - compiled
    rows, cols = best.shape
    ys, wy = vertical
    xs, wx = horizontal
    can_win, corners = np.empty(classes, np.int32), np.empty((classes, 4), np.float32)
    one = np.float32(1)
    for i in range(max(rows - 1, 1)):
        below = min(i + 1, rows - 1)
        for j in range(max(cols - 1, 1)):
            right, label = min(j + 1, cols - 1), best[i, j]
            if (best[i, right] == label) & (best[below, j] == label) & (best[below, right] == label):
                continue
            n = candidates(scores, classes, i, below, j, right, can_win)
            for k in range(n):
                c = can_win[k]
                corners[k, 0], corners[k, 1] = scores[i, j, c], scores[i, right, c]
                corners[k, 2], corners[k, 3] = scores[below, j, c], scores[below, right, c]
            for y in range(ys[i], ys[i + 1]):
                for x in range(xs[j], xs[j + 1]):
                    a = (one - wy[y]) * (one - wx[x]) * _likeness(pixels, y, x, colours[i, j], table)
                    b = (one - wy[y]) * wx[x] * _likeness(pixels, y, x, colours[i, right], table)
                    d = wy[y] * (one - wx[x]) * _likeness(pixels, y, x, colours[below, j], table)
                    e = wy[y] * wx[x] * _likeness(pixels, y, x, colours[below, right], table)
                    most, winner = np.float32(-np.inf), 0
                    for k in range(n):
                        value = a * corners[k, 0] + b * corners[k, 1] + d * corners[k, 2] + e * corners[k, 3]
                        if value > most:
                            most, winner = value, k
                    out[y, x] = can_win[winner]


@njit(cache=True, nogil=True, inline="always")
def _likeness(
    pixels: tuple[Plane, Plane, Plane, NDArray[np.int32], NDArray[np.int32]],
    y: int,
    x: int,
    colour: NDArray[np.float32],
    table: NDArray[np.float32],
) -> np.float32:  # pragma: no cover - compiled
    luma, u, v, rows, columns = pixels
    unlike = abs(np.float32(luma[y, x]) - colour[0])
    unlike += abs(np.float32(u[rows[y], columns[x]]) - colour[1])
    unlike += abs(np.float32(v[rows[y], columns[x]]) - colour[2])
    weight: np.float32 = table[int(unlike)]
    return weight
