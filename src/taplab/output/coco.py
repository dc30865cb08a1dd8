"""``coco.json``: the masks in COCO's format (Lin et al. 2014), run-length encoded; extra ``coco``."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from taplab.errors import MissingExtraError
from taplab.files import MAKE_ROOM, writable
from taplab.output.listing import Listing
from taplab.types import Labels, Result


class CocoWriter(Listing):
    """An annotation for each class of each frame, upright; see ``Listing``. ``path`` is there once it is whole.

    Images are called as the masks are, their ids are the frames' numbers; ids of categories are those in the masks.
    ``pycocotools.coco.COCO(path)`` reads it. Raises MissingExtraError without pycocotools.
    """

    def __init__(self, path: Path | str, classes: Sequence[str]) -> None:
        self._mask, self._classes = import_pycocotools(), classes
        self._images: list[tuple[int, int, int]] = []  # number, rows, columns
        self._count = 0  # annotations
        self._whole = Path(path)
        super().__init__(self._whole.with_name(f"{self._whole.name}.part"))
        categories = [{"id": k, "name": name, "supercategory": ""} for k, name in enumerate(classes)]
        self._put(f'{{"info": {{}}, "categories": {_json(categories)},\n"annotations": [')

    def close(self) -> None:
        """See ``Listing``."""
        if self._file.closed:
            return
        try:
            with writable(self.path, MAKE_ROOM):
                super().close()
                os.replace(self.path, self._whole)
        finally:
            self.path.unlink(missing_ok=True)

    def abort(self) -> None:
        """See ``Listing``; what is not whole is removed."""
        super().abort()
        self.path.unlink(missing_ok=True)

    def _said(self, result: Result) -> str:
        labels = np.asfortranarray(result.upright)  # turned over once: runs go down the columns
        self._images.append((result.index, *labels.shape))
        there = np.flatnonzero(np.bincount(labels.ravel("K"), minlength=len(self._classes))[: len(self._classes)])
        return "".join(self._annotation(labels, int(number), result.index) for number in there)

    def _annotation(self, labels: Labels, number: int, image: int) -> str:
        runs = self._mask.encode((labels == number).view(np.uint8))
        self._count += 1
        annotation = {
            "id": self._count,
            "image_id": image,
            "category_id": number,
            "segmentation": {"size": runs["size"], "counts": runs["counts"].decode("ascii")},
            "area": int(self._mask.area(runs)),
            "bbox": self._mask.toBbox(runs).tolist(),
            "iscrowd": 0,
        }
        return f"{',' if self._count > 1 else ''}\n{_json(annotation)}"

    def _end(self) -> str:
        images = [{"id": k, "file_name": f"{k:06d}.png", "height": h, "width": w} for k, h, w in self._images]
        return f'\n],\n"images": {_json(images)}}}\n'


def import_pycocotools() -> Any:
    """Its functions for masks. Raises MissingExtraError."""
    try:
        import pycocotools.mask
    except ImportError as error:
        raise MissingExtraError("COCO files need pycocotools: pip install 'taplab[coco]'") from error
    return pycocotools.mask


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
