"""The modes on Cityscapes' snippets with networks that know such streets, and never saw the one that is measured.

    python benchmarks/left_out.py CITYSCAPES FOLDER [--steps 200]

The bundled networks do not know Cityscapes. So for each snippet bl2-camvid is trained on, for some minutes of one core,
with the labelled frames of the other two, and segments the one left out: FFW, live and offline, a key frame every 4, at
all four distances, MPEG-4. mIoU over the three together. FOLDER keeps the weights; what is there is not trained again.
"""

from taplab.machine import machine  # isort: skip  (first: taplab sets how torch's threads wait)

import argparse
import random
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from taplab import PaperSettings, Segmenter, TorchModel, load_model
from taplab.data.cityscapes import cityscapes_clips
from taplab.data.clips import LabelledClip
from taplab.data.mapping import in_classes_of
from taplab.evaluation.metrics import Confusion
from taplab.types import IGNORE
from taplab.video.encode import encode_clip

INTERVAL = 4
MODES = {"per-frame": "per-frame", "paper": "FFW", "live": "live", "offline": "offline"}
CROP = (384, 768)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cityscapes", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=200)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    known = load_model("bl2-camvid")
    mapped, _ = in_classes_of(cityscapes_clips(args.cityscapes), known.classes)
    found: dict[tuple[str, int], Confusion] = defaultdict(lambda: Confusion(known.classes))
    for k, clip in enumerate(mapped.clips):
        weights = args.folder / f"without-{clip.name}.safetensors"
        if not weights.exists():
            trained(known, [other for other in mapped.clips if other is not clip], args.steps, k, weights)
        add(found, model_of(known, weights), clip)
    print(f"{machine()}\n\n| mode | mIoU | by distance 0 to {INTERVAL - 1} |\n| --- | --- | --- |")
    for mode, name in MODES.items():
        each = [100 * found[mode, distance].miou for distance in range(INTERVAL)]
        print(f"| {name} | {np.mean(each):.1f} | {', '.join(f'{one:.1f}' for one in each)} |")


def model_of(known: TorchModel, weights: Path) -> TorchModel:
    net = load_model("bl2-camvid").net
    net.load_state_dict(load_file(weights))
    how = {"classes": known.classes, "mean": known.mean, "std": known.std, "palette": known.palette}
    return TorchModel(net.eval(), name=weights.stem, fixed=True, **how)


def add(found: dict[tuple[str, int], Confusion], model: TorchModel, clip: LabelledClip) -> None:
    """The labelled frame, at every distance from a key frame."""
    labelled = clip.labelled[0]
    truth = clip.truth(labelled)
    for distance in range(INTERVAL):
        first = labelled - distance - 2 * INTERVAL
        frames = [clip.frame(i) for i in range(first, min(labelled + INTERVAL + 2, len(clip)))]
        with tempfile.TemporaryDirectory() as folder:
            file = encode_clip(Path(folder) / "clip.mkv", frames, codec="mpeg4", gop=12)
            for mode in MODES:
                settings = PaperSettings(("ffw",), interval=INTERVAL) if mode != "per-frame" else None
                for result in Segmenter(model, mode=mode, settings=settings).stream(file):
                    if result.index == labelled - first:
                        found[mode, distance].add(truth, result.labels)


def trained(known: TorchModel, clips: Sequence[LabelledClip], steps: int, seed: int, weights: Path) -> None:
    """AdamW on random crops of their labelled frames, two at a time: zoomed, mirrored, of other brightness."""
    torch.manual_seed(seed)
    rng, net = random.Random(seed), load_model("bl2-camvid").net.train().requires_grad_(True)
    stills = [(torch.from_numpy(c.frame(c.labelled[0])), torch.from_numpy(c.truth(c.labelled[0]))) for c in clips]
    share = np.bincount(np.concatenate([truth.ravel() for _, truth in stills]), minlength=256)[: len(known.classes)]
    balance = torch.tensor(1 / np.log(1.1 + share / share.sum()), dtype=torch.float32)
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=0.02)
    for step in range(steps):
        rate = 5e-4 * min(1, (step + 1) / 30) * (1 - step / steps) ** 0.9
        for group in optimiser.param_groups:
            group["lr"] = rate
        pairs = [crop(*rng.choice(stills), rng) for _ in range(2)]
        images = np.stack([image for image, _ in pairs])
        truth = torch.stack([labels for _, labels in pairs])
        scores = F.interpolate(scores_of(net(known.prepared(images))), size=truth.shape[-2:], mode="bilinear")
        loss = F.cross_entropy(scores[:, : len(known.classes)], truth, weight=balance, ignore_index=IGNORE)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        print(f"{weights.stem}: step {step + 1} of {steps}, loss {float(loss.detach()):.3f}", end="\r", flush=True)
    print()
    save_file({name: values.contiguous() for name, values in net.state_dict().items()}, weights)


def scores_of(said: torch.Tensor | Sequence[torch.Tensor]) -> torch.Tensor:
    return said if isinstance(said, torch.Tensor) else said[0]


def crop(image: torch.Tensor, truth: torch.Tensor, rng: random.Random) -> tuple[np.ndarray, torch.Tensor]:
    """uint8 ``[h, w, 3]`` and int64 class ids ``[h/2, w/2]``."""
    zoom = rng.uniform(0.6, 1.5)
    rows, columns = (int(side / zoom) for side in CROP)
    y, x = rng.randint(0, truth.shape[0] - rows), rng.randint(0, truth.shape[1] - columns)
    part = image[y : y + rows, x : x + columns].permute(2, 0, 1)[None].float()
    part = F.interpolate(part, size=CROP, mode="bilinear")[0]
    labels = truth[y : y + rows, x : x + columns][None, None].float()
    labels = F.interpolate(labels, size=(CROP[0] // 2, CROP[1] // 2), mode="nearest")[0, 0].long()
    if rng.random() < 0.5:
        part, labels = part.flip(-1), labels.flip(-1)
    bright = (part / 255) ** rng.uniform(0.8, 1.25) * rng.uniform(0.8, 1.2) + rng.uniform(-0.08, 0.08)
    return (bright.clamp(0, 1) * 255).byte().permute(1, 2, 0).numpy(), labels


if __name__ == "__main__":
    main()
