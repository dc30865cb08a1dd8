"""What others published: the paper's own figures, and those of the systems that it is compared with.

Nothing here is measured by taplab. What could not be traced is left out.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """miou: per cent. fps: network and warp alone, GTX 1080 Ti. milliseconds: of propagating one frame."""

    miou: float | None = None
    fps: float | None = None
    milliseconds: float | None = None


# Table and row of "TapLab: A Fast Framework for Semantic Video Segmentation Tapping into Compressed-Domain Knowledge"
# (Feng et al., IEEE TPAMI 2020). Cityscapes val at 1024x2048, Table 8 CamVid at 720x960.
PAPER: dict[tuple[int, str], Published] = {
    (2, "bl1"): Published(67.3, 33.2),
    (2, "bl2"): Published(73.6, 29.3),
    (2, "bl3"): Published(77.3, 7.2),
    (3, "itp"): Published(42.1, milliseconds=20.0),
    (3, "FlowNet2"): Published(62.1, milliseconds=70.7),
    (3, "PWC-Net"): Published(61.7, milliseconds=22.7),
    (3, "ffw"): Published(64.4, milliseconds=3.7),
    (4, "bl1 256x256"): Published(62.4),
    (4, "bl1 256x512"): Published(62.6),
    (4, "bl1 512x512, stride 512"): Published(63.0),
    (4, "bl1 512x512, stride 256"): Published(63.4),
    (4, "bl2 512x512, stride 256"): Published(68.2),
    (4, "bl3 512x512, stride 256"): Published(72.2),
    (5, "bl1 ffw+rgc"): Published(63.4),  # Table 4, the same configuration
    (5, "bl2 ffw"): Published(64.4, 160.4),
    (5, "bl2 ffw+rgc"): Published(68.2, 131.4),
    (5, "bl2 ffw+rgfs"): Published(69.4, 114.0),
    (5, "bl2 ffw+rgc+rgfs"): Published(70.6, 99.8),
    (5, "bl2 flow ffw"): Published(61.7),  # Table 3, PWC-Net
    (5, "bl3 ffw+rgc"): Published(72.2),  # Table 4, the same configuration
    (6, "ffw 3"): Published(71.9),
    (6, "ffw 6"): Published(69.3),
    (6, "ffw 9"): Published(67.4),
    (6, "ffw 12"): Published(64.4, 160.4),
    (6, "ffw+rgc+rgfs 3"): Published(72.5),
    (6, "ffw+rgc+rgfs 6"): Published(71.5),
    (6, "ffw+rgc+rgfs 9"): Published(71.0),
    (6, "ffw+rgc+rgfs 12"): Published(70.6, 99.8),
    (7, "per-frame"): Published(73.6, 29.3),
    (7, "ffw"): Published(64.4, 160.4),
    (7, "ffw+rgc+rgfs"): Published(70.6, 99.8),
    (8, "per-frame"): Published(73.5, 83.3),
    (8, "ffw"): Published(68.0, 470.6),
    (8, "ffw+rgc"): Published(70.0),
    (8, "ffw+rgfs"): Published(70.4),
    (8, "ffw+rgc+rgfs"): Published(71.2, 246.9),
}


# Speed of a graphics card relative to a GTX 1080 Ti, as Oršić et al. (SwiftNet, CVPR 2019) have it from public
# benchmarks of large networks. Of the Tesla cards they say nothing.
GPU_FACTORS = {"GTX 1080 Ti": 1.0, "Titan X (Maxwell)": 0.61, "Titan X (Pascal)": 1.03, "Titan Xp": 1.12}


@dataclass(frozen=True)
class System:
    """A system on Cityscapes, as its authors (or whoever ``source`` names) measured it.

    kind: "image" if every frame is seen alone, "video" otherwise. miou: per cent, on ``split``. size: of what the
    network sees, rows x columns.
    """

    name: str
    kind: str
    miou: float
    split: str
    size: str
    fps: float
    gpu: str
    source: str

    @property
    def normalised_fps(self) -> float | None:
        """As on a GTX 1080 Ti, to a tenth; None for cards whose relation to it is not known."""
        factor = GPU_FACTORS.get(self.gpu)
        return round(self.fps / factor, 1) if factor else None


# Read again for this list, in abstracts and repositories: ICNet, BiSeNet (105 FPS), SwiftNet, DFF, Accel, accuracy and
# speed of DVSNet. Known from the papers but not read again: SegNet, ENet, ERFNet, cards of ICNet and DVSNet, sizes of
# input, and the factors above.
_ICNET = "ICNet, ECCV 2018"
_TITAN = "Titan X (Maxwell)"
_TI = "GTX 1080 Ti"

SYSTEMS = (
    System("SegNet", "image", 57.0, "test", "256x512", 16.7, _TITAN, f"{_ICNET}, table of the test set"),
    System("ENet", "image", 58.3, "test", "512x1024", 76.9, _TITAN, f"{_ICNET}, table of the test set"),
    System("ERFNet", "image", 69.7, "test", "512x1024", 41.7, _TITAN, "ERFNet, IEEE T-ITS 2017, pre-trained encoder"),
    System("ICNet", "image", 70.6, "test", "1024x2048", 30.3, _TITAN, f"{_ICNET}, with the coarse labels"),
    System("BiSeNet (Xception39)", "image", 68.4, "test", "768x1536", 105.8, "Titan Xp", "BiSeNet, ECCV 2018"),
    System("SwiftNetRN-18", "image", 75.5, "test", "1024x2048", 39.9, _TI, "SwiftNet, CVPR 2019"),
    System("DFF", "video", 68.7, "val", "1024x2048", 4.0, "Tesla K80", "repository of Accel: 0.25 s a frame"),
    System("Accel-18", "video", 72.1, "val", "1024x2048", 2.3, "Tesla K80", "repository of Accel, CVPR 2019: 0.44 s"),
    System("DVSNet", "video", 70.4, "val", "1024x2048", 19.8, _TI, "DVSNet, CVPR 2018"),
    System("DVSNet, fast", "video", 63.2, "val", "1024x2048", 30.4, _TI, "DVSNet, CVPR 2018"),
    System("BlockCopy (ResNet-50)", "video", 76.3, "val", "1024x2048", 17.0, _TI, "BlockCopy, ICCV 2021"),
    System("TapLab BL2, all modules", "video", 70.6, "val", "1024x2048", 99.8, _TI, "the paper, Table 7"),
    System("TapLab BL2, 1024x1024", "video", 68.5, "val", "1024x1024", 187.4, _TI, "the paper, Table 7"),
)
