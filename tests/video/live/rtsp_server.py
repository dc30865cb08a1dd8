"""An RTSP server for the system's own Python: ``python3 rtsp_server.py PORT [FILE]``.

At /live is a live test picture, or an MP4 file of H.264, whose length is announced.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

PIPELINE = (
    "( videotestsrc is-live=true pattern=ball ! video/x-raw,width=192,height=144,framerate=25/1"
    " ! x264enc tune=zerolatency key-int-max=10 bframes=0 ! rtph264pay name=pay0 pt=96 )"
)

FILE = "( filesrc location={} ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 )"

Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(FILE.format(sys.argv[2]) if sys.argv[2:] else PIPELINE)
factory.set_shared(not sys.argv[2:])
server.get_mount_points().add_factory("/live", factory)
if not server.attach(None):
    sys.exit("the port is taken")
print("ready", flush=True)
GLib.MainLoop().run()
