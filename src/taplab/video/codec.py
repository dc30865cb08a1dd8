"""How FFmpeg's decoders are set up, before they see the first packet."""

from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext

from taplab.video.mpeg12 import MPEG12

# Codecs for which FFmpeg exports true vectors. Their pictures are followed in coded order.
CODECS_WITH_VECTORS = ("mpeg4", "mpeg1video", "mpeg2video", "h263", "h263p", "flv", "flv1", "h264")


def prepare(context: VideoCodecContext, *, vectors: bool) -> None:
    """Sets threads, marks (``opaque``) and, where they are asked for and the codec has them, the export of vectors.

    Marks only where slices are decoded side by side. A decoder that has threads of its own gives marks back on them,
    which waits for Python's lock while closing it may hold that: dav1d then hangs. Also vectors go missing under frame
    threading of H.264 with B-frames, and pictures of damaged streams differ from those of slices.
    """
    in_coded_order = context.name in CODECS_WITH_VECTORS
    context.copy_opaque = in_coded_order
    # DV's frame threads refuse pictures where its size changes.
    context.thread_type = "SLICE" if in_coded_order or context.name == "dvvideo" else "AUTO"
    if context.name == "h264":
        # Threads turn FFmpeg's error resilience off, and with it the news that a slice did not decode. They gain
        # little: nearly all streams have one slice a picture.
        context.thread_count = 1
    if vectors and in_coded_order:
        context.options = {"flags2": "+export_mvs"}
    if context.name in MPEG12 and not context.has_b_frames:
        context.flags |= Flags.low_delay  # or the last frame comes without vectors
