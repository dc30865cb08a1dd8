"""GOPs decoded side by side: the same as linear decoding, on every stream and whatever was done to it."""

from itertools import islice, pairwise

import av
import numpy as np
import pytest
import torch
from av.sidedata.sidedata import Type as SideData

from taplab import Segmenter, SettingError, TaplabError, TorchModel
from taplab.timing import Stopwatch
from taplab.video.decoder import Decoder
from taplab.video.encode import encode_clip
from taplab.video.gops import Tape, pieces
from taplab.video.motion import RECORD
from taplab.video.reader import Video
from taplab.video.reading import Reading

B = {"options": {"bf": "2"}}
PYRAMID = {"options": {"bf": "3", "b-pyramid": "normal", "refs": "4"}}
SAFE = [
    ("mpeg4", ".mp4", {}),
    ("mpeg4", ".avi", {}),
    ("mpeg4", ".avi", B),
    ("mpeg4", ".ts", B),
    ("mpeg4", ".mkv", {"gop": 1}),
    ("mpeg2video", ".ts", {}),
    ("mpeg2video", ".mkv", B),
    ("mpeg2video", ".m2v", B),
    ("mpeg2video", ".mkv", {"options": {"bf": "2", "flags": "+cgop"}}),
    ("mpeg1video", ".mpg", B),
    ("flv1", ".flv", {}),
    ("h264", ".mp4", {}),
    ("h264", ".264", {}),
    ("h264", ".mp4", PYRAMID),
    ("h264", ".ts", PYRAMID),
    ("h264", ".264", PYRAMID),
    ("h264", ".mkv", {"options": {"x264-params": "slices=3"}}),
]
UNSAFE = [
    ("h263p", ".avi", {}),  # every packet is flagged key
    ("h264", ".mp4", {"options": {"bf": "3", "x264-params": "open-gop=1"}}),
    ("h264", ".mp4", {"options": {"intra-refresh": "1"}}),
    ("h264", ".ts", {"options": {"x264-params": "interlaced=1"}}),
    ("mpeg2video", ".ts", {"options": {"flags": "+ildct+ilme"}}),
    ("hevc", ".mp4", {}),
]
CLIPS = [
    "BA_MW_D_IDR_LOST.264",
    "BA_MW_D_P_LOST.264",
    "Cisco_Adobe_PDF_sample_a_1024x768_CAVLC_Bframe_9.264",
    "Error_I_P.264",
    "MR1_BT_A.h264",
    "av1_video.mkv",
    "bikes.mp4",
    "cars_320x240.h264",
    "cars_320x240.h265",
    "cars_320x240.mjpeg",
    "corrupted_h264.mp4",
    "driving_h264_960x540.mp4",
    "h264_10bits.mp4",
    "h265_10bits.mp4",
    "mvx_h264_bframes_720p.mp4",
    "mvx_mpeg4_720p.mp4",
    "people_h264_bframes_768x432.mp4",
    "portrait_1024x576.mp4",
    "rotated90_h264.mov",
    "scene_cuts.mp4",
    "unordered.mov",
]


def visible(plane, bits):
    """Its bytes without the padding."""
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width * (2 if bits > 8 else 1)].tobytes()


def pixels(frame):
    return [hash(visible(plane, frame.format.components[0].bits)) for plane in frame.planes]


def vectors(frame):
    records = frame.side_data.get(SideData.MOTION_VECTORS)
    if records is None:
        return None
    table = np.frombuffer(records, RECORD)
    return [hash(table[name].tobytes()) for name in RECORD.names]  # not the padding


def look(picture):
    """Everything that is known of a picture, but for what it shows."""
    frame = picture.frame
    own = (picture.index, picture.display, picture.rounding, picture.refers, picture.after_loss, picture.corrupt)
    kind = (picture.pts, frame.key_frame, frame.pict_type, frame.is_corrupt, frame.interlaced_frame)
    return own, kind, (frame.pts, frame.width, frame.height, frame.format.name, frame.rotation, frame.color_range)


def decoded(path, threads, most=None):
    """Pictures, the account of losses, and how many pictures came before linear decoding began (None: it never did)."""
    decoder, pictures, begins = Decoder(str(path), Stopwatch(), vectors=True, threads=threads), [], []
    linear = decoder._linear

    def watched(*args):
        begins.append(len(pictures))
        return linear(*args)

    decoder._linear = watched
    for p in islice(decoder.pictures(), most):
        seen = look(p), pixels(p.frame), vectors(p.frame), decoder.headers.several_references()
        pictures.append(seen)
    decoder.close()
    account = decoder.failed, decoder.broke_off, decoder.given, decoder.promise.frames
    return pictures, account, (begins or [None])[0]


def check_identical(path, most=None):
    """Returns where linear decoding began."""
    pictures, account, begins = decoded(path, 1, most)
    assert begins == 0
    others, other_account, begins = decoded(path, 3, most)
    assert len(others) == len(pictures)
    for one, other in zip(pictures, others, strict=True):
        assert one == other
    assert other_account == account
    return begins


@pytest.mark.parametrize(("codec", "suffix", "how"), SAFE)
def test_a_safe_stream_is_cut_and_decodes_the_same(make_clip, codec, suffix, how):
    assert check_identical(make_clip(codec, suffix, **how)) is None


@pytest.mark.parametrize(("codec", "suffix", "how"), UNSAFE)
def test_an_unsafe_stream_is_seen_and_decoded_linearly(make_clip, codec, suffix, how):
    assert check_identical(make_clip(codec, suffix, **how)) in (0, 8)


@pytest.mark.parametrize("name", CLIPS)
def test_real_clips_decode_the_same(shared, name):
    check_identical(shared / "clips" / name, 150)


@pytest.mark.slow
@pytest.mark.parametrize("name", CLIPS)
def test_whole_real_clips_decode_the_same(shared, name):
    check_identical(shared / "clips" / name)


@pytest.mark.parametrize("name", ["driving_h264_960x540.mp4", "people_h264_bframes_768x432.mp4", "mvx_mpeg4_720p.mp4"])
def test_real_clips_are_cut(shared, name):
    decoder = Decoder(str(shared / "clips" / name), Stopwatch(), vectors=True)
    tape = Tape(decoder._packets(), marked=False)
    cut = list(pieces(tape, decoder.codec, decoder.context.extradata, 64))
    decoder.close()
    assert len(cut) >= 8
    assert cut[-1].ends


def test_leading_frames_belong_to_the_piece_before(make_clip):
    """MPEG-2 with open GOPs: in coded order I B B P ..., and both B refer to the P before the I."""
    decoder = Decoder(str(make_clip("mpeg2video", ".mkv", **B)), Stopwatch(), vectors=True)
    cut = list(pieces(Tape(decoder._packets(), marked=False), decoder.codec, decoder.context.extradata, 64))
    decoder.close()
    assert [i for p in cut for i, _ in p.packets] == list(range(30))
    assert sorted(i for p in cut for i in p.needed) == list(range(30))
    for before, after in pairwise(cut):
        key = after.packets[0][0]
        assert after.leading == 2
        assert {key + 1, key + 2} <= before.needed
        assert [i for i, _ in before.following] == [key, key + 1, key + 2]
        assert [i for i, _ in after.own[:2]] == [key, key + 3]


def test_a_long_piece_is_not_waited_for(make_clip):
    decoder = Decoder(str(make_clip("mpeg4", ".mp4")), Stopwatch(), vectors=True)
    tape = Tape(decoder._packets(), marked=False)
    assert not list(pieces(tape, decoder.codec, decoder.context.extradata, 11))
    assert [i for i, packet in tape.again() if packet is not None] == list(range(30))
    decoder.close()


def joined(path, *clips):
    path.write_bytes(b"".join(clip.read_bytes() for clip in clips))
    return path


@pytest.mark.parametrize(
    ("codec", "suffix", "one", "other"),
    [
        ("h264", ".264", {}, {"options": {"profile": "baseline"}}),
        ("h264", ".264", PYRAMID, {}),
        ("mpeg2video", ".m2v", {}, {"options": {"b": "3000000", "maxrate": "3000000", "bufsize": "2000000"}}),
    ],
)
def test_parameters_that_change_on_the_way(make_clip, tmp_path, codec, suffix, one, other):
    """Up to there the stream is cut; frames that are out by then are not given out twice."""
    clips = make_clip(codec, suffix, **one), make_clip(codec, suffix, **other), make_clip(codec, suffix, **one)
    begins = check_identical(joined(tmp_path / f"joined{suffix}", *clips))
    assert begins is not None
    assert 12 <= begins <= 30


def test_the_size_changes_on_the_way(make_clip, tmp_path, drive):
    small = encode_clip(tmp_path / "small.264", [np.ascontiguousarray(f[:96, :128]) for f, _ in drive], codec="h264")
    begins = check_identical(joined(tmp_path / "sizes.264", make_clip("h264", ".264"), small))
    assert begins == 24  # the last GOP before the change decodes with what follows it


@pytest.mark.parametrize("mode", ["offline", "live", "paper"])
@pytest.mark.parametrize(("codec", "how"), [("mpeg4", {}), ("mpeg2video", B), ("h264", PYRAMID)])
def test_masks_are_the_same(make_clip, monkeypatch, codec, how, mode):
    class Grey(torch.nn.Module):
        def forward(self, x):
            grey = torch.nn.functional.avg_pool2d(x.mean(1, keepdim=True), 8, ceil_mode=True)
            return torch.cat([-grey, grey], 1)

    segmenter = Segmenter(TorchModel(Grey(), classes=("dark", "bright")), mode=mode)
    path, masks = make_clip(codec, ".mkv", **how), {}
    for threads in (1, 3):
        monkeypatch.setenv("TAPLAB_DECODE_THREADS", str(threads))
        masks[threads] = [(r.index, r.origin, r.labels.tobytes()) for r in segmenter.stream(path)]
    assert len(masks[1]) == 30
    assert masks[1] == masks[3]


@pytest.mark.parametrize("text", ["0", "-1", "two", ""])
def test_a_number_of_threads_that_is_none(make_clip, monkeypatch, text):
    monkeypatch.setenv("TAPLAB_DECODE_THREADS", text)
    with pytest.raises(SettingError, match="TAPLAB_DECODE_THREADS"):
        Video(make_clip())


def test_it_can_be_left_at_any_time(make_clip):
    path = make_clip("h264", ".mp4", **PYRAMID)
    for count in (0, 1, 13, 29):
        frames = Video(path, threads=3).frames()
        for _ in range(count):
            next(frames)
        frames.close()
    for count in (1, 12, 20, 30):
        videos = [Video(path, Reading(max_frames=count), threads=threads) for threads in (1, 3)]
        one, other = ([(f.index, f.display, f.beyond) for f in v.frames()] for v in videos)
        assert one == other
        assert videos[0].lost == videos[1].lost == 0


def test_decoders_that_cannot_be_opened_are_done_without(make_clip, tmp_path):
    path = tmp_path / "gone.mp4"
    path.write_bytes(make_clip("mpeg4", ".mp4").read_bytes())
    decoder = Decoder(str(path), Stopwatch(), vectors=True, threads=3)
    path.rename(tmp_path / "renamed.mp4")  # what is open can still be read
    path.write_bytes(b"no video")
    assert [p.display for p in decoder.pictures()] == list(range(30))
    decoder.close()


def flipped(rng, data):
    for _ in range(rng.choice([1, 3, 20])):
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)


def blotted(rng, data):
    at, size = rng.integers(len(data)), int(rng.choice([4, 100, 2000]))
    data[at : at + size] = rng.bytes(min(size, len(data) - at))


def holed(rng, data):
    at = int(rng.integers(len(data)))
    del data[at : at + int(rng.choice([1, 188, 1000]))]


def cut_off(rng, data):
    del data[rng.integers(len(data)) :]


MUTATIONS = (flipped, blotted, holed, cut_off)
MUTANTS = [
    ("mpeg4", ".avi", {}),
    ("mpeg4", ".ts", B),
    ("mpeg2video", ".ts", B),
    ("h264", ".ts", {}),
    ("h264", ".264", PYRAMID),
    ("h264", ".mp4", {}),
]


def summed_up(path, threads):
    """Frames as the rest of taplab gets them. What FFmpeg invents for damaged ones depends on what its memory held."""
    video, frames = Video(path, threads=threads), []
    for f in video.frames():
        about = f.index, f.display, f.pts, f.kind, f.damaged, f.height, f.width, f.is_reference, f.picture.is_corrupt
        frames.append((about, None if f.damaged else (f.scene, pixels(f.picture), vectors(f.picture))))
    return frames, video.broke_off, video.lost


def compare_mutants(clip, folder, seeds):
    """How many were cut into pieces, and which did not decode the same."""
    cut, others = 0, []
    for seed in seeds:
        rng, data = np.random.default_rng(seed), bytearray(clip.read_bytes())
        MUTATIONS[seed % len(MUTATIONS)](rng, data)
        path = folder / f"{seed}{clip.suffix}"
        path.write_bytes(data)
        try:
            linear = summed_up(path, 1)
        except TaplabError:
            continue
        if summed_up(path, 3) != linear:
            others.append(seed)
        cut += decoded(path, 3)[2] != 0
        path.unlink()
    return cut, others


@pytest.mark.parametrize(("codec", "suffix", "how"), MUTANTS)
def test_mutants_decode_the_same(make_clip, tmp_path, codec, suffix, how):
    av.logging.set_level(None)
    cut, others = compare_mutants(make_clip(codec, suffix, **{"gop": 8, **how}), tmp_path, range(12))
    assert cut > 2
    assert not others


@pytest.mark.slow
@pytest.mark.parametrize(("codec", "suffix", "how"), MUTANTS)
def test_many_mutants_decode_the_same(make_clip, tmp_path, codec, suffix, how):
    av.logging.set_level(None)
    cut, others = compare_mutants(make_clip(codec, suffix, **{"gop": 8, **how}), tmp_path, range(1000, 1300))
    assert cut > 30
    # What FFmpeg's MPEG-2 and MPEG-4 decoders make of what is broken, and whether they notice, depends, once in
    # hundreds, on what their memory held before: the same mutant decodes the same the next time.
    assert len(others) <= (0 if codec == "h264" else 3), others
