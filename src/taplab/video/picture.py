"""A picture as it leaves the decoder."""

from dataclasses import dataclass

import av


@dataclass(frozen=True)
class Picture:
    """A decoded picture with what its packet said about it.

    index: coded order; display order where the codec has no vectors. display: order in which the decoder gave it out.
    pts: when it is shown, in ticks of the stream, None where that does not tell.
    rounding: MPEG-4's rounding type. refers: whether others refer to it, None where the packet does not say.
    after_loss: a reference frame before it is missing from the stream. corrupt: its packet is broken. said_key: its
    packet says that decoding can begin here, and the decoder does not deny it. anew: what came before it is left to
    another process, and so are the pictures of so many packets behind it (``leading``), which are shown before it;
    elsewhere: so is this key picture.
    """

    index: int
    display: int
    frame: av.VideoFrame
    pts: int | None
    rounding: int = 0
    refers: bool | None = None
    after_loss: bool = False
    corrupt: bool = False
    said_key: bool = False
    anew: bool = False
    leading: int = 0
    elsewhere: bool = False

    @property
    def is_key(self) -> bool:
        """By its decoder; by its packet where that does not tell, as those of Flash Screen Video or QuickTime RLE."""
        return self.frame.key_frame or self.said_key
