"""Scores on held-out images during training."""

from typing import Any

import torch
import torch.nn.functional as F

from taplab.evaluation.metrics import Confusion
from taplab.prefetch import prefetch
from taplab.training.stock import Stock
from taplab.training.trainee import Trainee
from taplab.types import IGNORE


@torch.no_grad()
def validate(
    net: Trainee, stock: Stock, device: torch.device, *, amp: bool, rank: int = 0, world: int = 1
) -> dict[str, Any]:
    """mIoU, IoU of each class, pixel accuracy and cross-entropy (Eq. 5) over all of ``stock``, at full size.

    Each of the ``world`` processes takes its share of the images; all get the same result. A class that occurs neither
    in the truth nor in the scores has no IoU: None.
    """
    net.eval()
    confusion = Confusion(stock.classes)
    loss = torch.zeros((), dtype=torch.float64, device=device)
    for image, truth in prefetch((stock[i] for i in range(rank, len(stock), world)), ahead=2):
        with torch.autocast(device.type, torch.bfloat16, enabled=amp):
            scores = net.scores(image[None].float().to(device)).float()
        scores = F.interpolate(scores, truth.shape, mode="bilinear", align_corners=False)
        loss += F.cross_entropy(scores, truth[None].long().to(device), ignore_index=IGNORE, reduction="sum")
        confusion.add(truth.numpy(), scores.argmax(1)[0].byte().cpu().numpy())
    if world > 1:
        counts = torch.from_numpy(confusion.counts).to(device)
        torch.distributed.all_reduce(counts)
        torch.distributed.all_reduce(loss)
        confusion.counts = counts.cpu().numpy()
    iou = [None if value != value else round(value, 4) for value in confusion.iou.tolist()]
    return {
        "miou": round(confusion.miou, 4),
        "iou": dict(zip(confusion.classes, iou, strict=True)),
        "pixel_accuracy": round(confusion.pixel_accuracy, 4),
        "validation_loss": round(float(loss) / max(int(confusion.counts.sum()), 1), 4),
    }
