"""Does memory grow with the length of a stream? ``python benchmarks/endless.py --frames 6000 --modes paper,live``.

A sender in a process of its own loops a clip of 1280x720 (H.264) over TCP without end, and this one segments it with a
network that costs nearly nothing, so that all else is what is measured. Mode offline, which is for files, gets a
list of files, the clip again and again. Prints resident memory after the first minute of video (1,500 frames), at the
end, and the most between; as JSON with ``--json FILE``.
"""

import argparse
import json
import multiprocessing
import os
import socket
import tempfile
import time
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import torch

from taplab import Segmenter, SourceError, SyntheticDrive, TorchModel
from taplab.video.encode import encode_clip

FIRST_MINUTE = 1500  # frames, at 25 a second
LENGTH = 100  # frames of the clip
EVERY = 50  # frames between two looks


class Grey(torch.nn.Module):
    """Two classes by brightness, at 1/16."""

    def forward(self, x):  # noqa: D102
        grey = torch.nn.functional.avg_pool2d(x.mean(1, keepdim=True), 16, ceil_mode=True)
        return torch.cat([-grey, grey], 1)


def resident():
    """Megabytes of main memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def send(clip, address):
    """The packets of the clip again and again, as a transport stream whose time goes on, until nobody takes them."""
    with suppress(ConnectionError):
        keep_sending(clip, address)


def keep_sending(clip, address):
    with av.open(address, "w", format="mpegts") as out, av.open(clip) as source:
        stream = source.streams.video[0]
        copy, shift = out.add_stream_from_template(stream), 0
        length = round(Fraction(stream.frames, 1) / stream.average_rate / stream.time_base)
        while True:
            source.seek(0)
            for packet in source.demux(stream):
                if packet.size:
                    packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, copy
                    out.mux(packet)
            shift += length


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


def opened(segmenter, address, frames):
    """Once the sender listens."""
    for _ in range(300):
        try:
            return segmenter.stream(address, keep_all=True, max_frames=frames, reconnect=0)
        except SourceError:
            time.sleep(0.2)
    raise SystemExit("the sender did not come up")


def measured(clip, mode, frames):
    """Resident memory after every ``EVERY`` frames, in megabytes."""
    segmenter = Segmenter(TorchModel(Grey(), classes=("dark", "bright")), mode=mode)
    if mode == "offline":
        return looked_at(segmenter.stream(repeated(clip, frames), max_frames=frames), frames)
    address = free_address()
    sender = multiprocessing.get_context("spawn").Process(target=send, args=(clip, f"{address}?listen=1"), daemon=True)
    sender.start()
    try:
        return looked_at(opened(segmenter, address, frames), frames)
    finally:
        sender.kill()
        sender.join()


def repeated(clip, frames):
    """A list of files as for FFmpeg's concat, with that many frames or more."""
    playlist = Path(clip).with_name("clips.txt")
    playlist.write_text(f"file '{Path(clip).name}'\n" * -(-frames // LENGTH))
    return playlist


def looked_at(segmentation, frames):
    looks = [resident() for result in segmentation if result.index % EVERY == EVERY - 1]
    if segmentation.counts.frames != frames:
        raise SystemExit(f"{segmentation.counts.frames} of {frames} frames came: {segmentation.source.broke_off}")
    return looks


def row(mode, looks):
    """After the first minute: what the memory was, became and was at most; the mean of four looks each."""
    first, last = FIRST_MINUTE // EVERY, len(looks)
    means = [sum(looks[k - 4 : k]) / 4 for k in range(first, last + 1)]
    return {"mode": mode, "frames": last * EVERY, "first_minute": means[0], "end": means[-1], "most": max(means)}


def report(figures):
    growth = 100 * (figures["most"] / figures["first_minute"] - 1)
    print(
        f"{figures['mode']}: {figures['frames']} frames, {figures['first_minute']:.0f} MB after the first minute, "
        f"{figures['end']:.0f} MB at the end, at most {figures['most']:.0f} MB ({growth:+.1f} %)",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=45_000)
    parser.add_argument("--modes", default="paper,live")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.frames <= FIRST_MINUTE:
        parser.error(f"--frames {options.frames}: the first minute alone has {FIRST_MINUTE}")
    with tempfile.TemporaryDirectory() as folder:
        drive = (rgb for rgb, _ in SyntheticDrive(720, 1280, LENGTH, seed=3))
        clip = str(encode_clip(Path(folder) / "clip.mp4", drive, codec="h264", gop=25, fps=25, options={"bf": "2"}))
        rows = []
        for mode in options.modes.split(","):
            rows.append(row(mode, measured(clip, mode, options.frames)))
            report(rows[-1])
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
