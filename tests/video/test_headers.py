import av
import pytest

from taplab.video.bits import Bits
from taplab.video.h264 import H264Headers
from taplab.video.hevc import HevcHeaders
from taplab.video.mpeg4 import Mpeg4Headers
from taplab.video.mpeg12 import Mpeg12Headers


def packets_and_kinds(clip):
    """Packets in coded order with the kind of their picture."""
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        stream.codec_context.copy_opaque = True
        packets, kinds = [], {}
        for i, packet in enumerate(container.demux(stream)):
            packet.opaque = (i,)
            packets.append(bytes(packet))
            for frame in packet.decode():
                kinds[frame.opaque[0]] = int(frame.pict_type)
        return stream.codec_context.extradata, [(packets[i], "?IPB"[kinds[i]]) for i in sorted(kinds)]


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
def test_mpeg4_rounding_alternates_from_the_key_frame_on(make_clip, suffix):
    extradata, packets = packets_and_kinds(make_clip("mpeg4", suffix))
    read = Mpeg4Headers(extradata)
    flags = [read(data)[0] for data, _ in packets]
    for start in (0, 12):
        gop = flags[start + 1 : start + 12]
        assert len(set(gop[::2])) == len(set(gop[1::2])) == 1
        assert gop[0] != gop[1]


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
@pytest.mark.parametrize("options", [{}, {"bf": "2"}])
def test_mpeg4_tells_of_a_lost_reference_frame(make_clip, suffix, options):
    """Once the rounding type was seen to turn, and with B-frames at once."""
    extradata, packets = packets_and_kinds(make_clip("mpeg4", suffix, options=options))
    read = Mpeg4Headers(extradata)
    assert [read(data)[1:] for data, _ in packets] == [(kind != "B", False) for _, kind in packets]
    anchors = [i for i, (_, kind) in enumerate(packets) if kind != "B"]
    for missing in anchors[1 if options else 5 : -1]:
        read = Mpeg4Headers(extradata)
        told = [i for i, (data, _) in enumerate(packets) if i != missing and read(data)[2]]
        first = packets[missing - 1][1] == "I"  # of its group: what that is like, too few groups have told
        last = packets[missing + 1][1] == "I"  # nothing refers to it
        assert options or first or last or told[0] == missing + 1
        assert not options or told[0] == missing + 1


def test_a_constant_rounding_type_tells_nothing():
    vol = b"\0\0\1\x20" + bits(*[(0, 9), (0, 1), (1, 4), (0, 1), (1, 3), (25, 16)])
    p = b"\0\0\1\xb6" + bits(*[(1, 2), (0, 1), (1, 1), (3, 5), (1, 1), (1, 1), (1, 1)])
    read = Mpeg4Headers(vol)
    assert [read(p) for _ in range(12)] == [(1, True, False)] * 12


def bits(*fields):
    """(value, width) of each, padded to whole bytes."""
    text = "".join(f"{value:0{width}b}" for value, width in fields)
    return int(text + "0" * (-len(text) % 8), 2).to_bytes(-(-len(text) // 8), "big")


@pytest.mark.parametrize("suffix", [".mp4", ".ts"])
def test_h264_tells_which_frames_others_refer_to(make_clip, suffix):
    clip = make_clip("h264", suffix, options={"bf": "2", "b-pyramid": "none"})
    extradata, packets = packets_and_kinds(clip)
    read = H264Headers(extradata)
    assert {kind for _, kind in packets} == set("IPB")
    assert all(read(data) == (kind != "B", False, False) for data, kind in packets)


@pytest.mark.parametrize("suffix", [".mp4", ".ts"])
@pytest.mark.parametrize("options", [{"bf": "0"}, {"bf": "2", "b-pyramid": "none"}, {"bf": "3", "b-pyramid": "normal"}])
def test_h264_tells_of_every_lost_reference_frame(make_clip, suffix, options):
    clip = make_clip("h264", suffix, options=options)
    extradata, packets = packets_and_kinds(clip)
    read = H264Headers(extradata)
    references = [bool(read(data)[0]) for data, _ in packets]
    for missing in range(1, len(packets) - 1):
        read = H264Headers(extradata)
        told = [i for i, (data, _) in enumerate(packets) if i != missing and read(data)[1]]
        following = next((i for i in range(missing + 1, len(packets)) if references[i]), None)
        between = [i for i in range(missing + 1, following or len(packets)) if not references[i]]
        if not references[missing]:
            assert not told  # nobody refers to it
        elif following is not None and packets[following][1] != "I":
            assert told[0] == (between[0] if between else following)


def test_rubbish_is_no_error():
    assert Mpeg4Headers(None)(b"\0\0\1\xb6") == (0, None, False)
    assert H264Headers(None)(b"\0\0\1\0\0\1") == (None, False, False)  # an empty unit
    assert not HevcHeaders(None)(b"\0\0\1\0\0\1")
    assert Mpeg4Headers(b"\0\0\1\x20")(b"") == (0, None, False)
    for extradata in (None, b"", b"\1abc\xff\xe1\xff", b"\0\0\1\x67\x64", bytes(range(256))):
        for packet in (b"", b"nothing", b"\0\0\1", b"\0\0\1\x65", b"\xff" * 40, bytes(range(256))):
            assert H264Headers(extradata)(packet)[1:] == (False, False)


def test_bits():
    read = Bits(b"\xa5\x0f")
    assert [read(1), read(3), read(8)] == [1, 2, 0x50]
    with pytest.raises(EOFError):
        read(5)
    read = Bits(0b1_010_011_00100_0000.to_bytes(2, "big"))
    assert [read.golomb() for _ in range(4)] == [0, 1, 2, 3]


@pytest.mark.parametrize("suffix", [".ts", ".mkv"])
@pytest.mark.parametrize("codec", ["mpeg1video", "mpeg2video"])
@pytest.mark.parametrize("options", [{}, {"bf": "2"}])
def test_mpeg12_tells_of_lost_reference_frames(make_clip, codec, suffix, options):
    _, packets = packets_and_kinds(make_clip(codec, suffix, options=options))
    read = Mpeg12Headers()
    assert [read(data) for data, _ in packets] == [(kind != "B", False) for _, kind in packets]
    anchors = [i for i, (_, kind) in enumerate(packets) if kind != "B"]
    for missing in anchors[3:-3]:
        read = Mpeg12Headers()
        told = [i for i, (data, _) in enumerate(packets) if i != missing and read(data)[1]]
        following = next(i for i in anchors if i > missing)
        if packets[missing][1] == "P" and packets[following][1] == "P":
            assert told[0] == missing + 1
