"""FFmpeg's frame threads at the end of a stream: what a refused packet would take with it.

Each thread holds a packet. Where the decoder refuses one of the last, flushing it ends there, and the pictures of those
behind are lost. So more packets follow the last one, each of which pushes the picture or error of one thread out.
"""

from collections.abc import Iterator

import av
from av.bitstream import BitStreamFilterContext
from av.codec import Capabilities
from av.codec.context import ThreadType
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from taplab.video.gops import Packet, Played

FILLER = -(2**62)  # time of packets that follow the last one, and of their pictures
_DAV1D = 8  # frames that dav1d decodes side by side at most
_DELIMITER = "hevc_metadata=aud=insert,filter_units=pass_types=35"  # an access unit of nothing else


def filled(coded: Iterator[Played], stream: VideoStream) -> Iterator[Played]:
    """The packets of ``stream``, and before the end as many more as threads hold; index -1 where these are flushed."""
    first: Packet | None = None
    for index, packet in coded:
        first = first or packet
        held = _held(stream.codec_context) if packet is None else 0
        if held and first is not None and (filler := _filler(first, stream)) is not None:
            yield from ((index + i, filler) for i in range(held))
            index = -1
        yield index, packet


def _held(context: VideoCodecContext) -> int:
    """Packets that threads may hold beside the one that is given to them."""
    if context.name == "libdav1d":
        return 0 if context.thread_count == 1 else _DAV1D
    by_frames = context.codec.capabilities & Capabilities.frame_threads and context.thread_type & ThreadType.FRAME
    return context.thread_count - 1 if by_frames else 0


def _filler(first: "Packet", stream: VideoStream) -> "Packet | None":
    """The first packet again; of HEVC, where it may discard pictures that wait, one that brings no picture.

    Never one that Python made: threads that let go of it wait for Python's lock, which may wait for them.
    """
    if stream.codec_context.name == "hevc":
        try:
            first = BitStreamFilterContext(_DELIMITER, stream).filter(first)[0]
        except (av.error.FFmpegError, IndexError):
            return None
    first.pts = first.dts = FILLER
    return first
