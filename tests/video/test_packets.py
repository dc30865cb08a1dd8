import av
import pytest

from taplab.video.packets import Bits, Mpeg4Rounding, h264_reference_reader


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
    read = Mpeg4Rounding(extradata)
    flags = [read(data) for data, _ in packets]
    for start in (0, 12):
        gop = flags[start + 1 : start + 12]
        assert len(set(gop[::2])) == len(set(gop[1::2])) == 1
        assert gop[0] != gop[1]


@pytest.mark.parametrize("suffix", [".mp4", ".ts"])
def test_h264_tells_which_frames_others_refer_to(make_clip, suffix):
    clip = make_clip("h264", suffix, options={"bf": "2", "b-pyramid": "none"})
    extradata, packets = packets_and_kinds(clip)
    is_reference = h264_reference_reader(extradata)
    assert {kind for _, kind in packets} == set("IPB")
    assert all(is_reference(data) == (kind != "B") for data, kind in packets)


def test_rubbish_is_no_error():
    assert Mpeg4Rounding(None)(b"\0\0\1\xb6") == 0
    assert Mpeg4Rounding(b"\0\0\1\x20")(b"") == 0
    assert h264_reference_reader(b"\1abc\xff")(b"\xff\xff\xff\xff\x65") is True
    assert h264_reference_reader(None)(b"nothing") is False


def test_bits():
    bits = Bits(b"\xa5\x0f")
    assert [bits(1), bits(3), bits(8)] == [1, 2, 0x50]
    with pytest.raises(EOFError):
        bits(5)
