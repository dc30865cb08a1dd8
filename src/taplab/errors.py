"""Every exception that taplab raises on purpose.

TaplabError
├── SourceError      a video, folder, stream or data set that cannot be read
├── ModelError       an unknown model, weights that do not fit, a network with the wrong input
├── DeviceError      a device that was asked for and is not there
├── OutputError      a folder or file that cannot be written
├── SettingError     a setting outside what is allowed
└── MissingExtraError  an optional dependency that is not installed
"""


class TaplabError(Exception):
    """Base of all of them. The message is one line that names the thing and the remedy."""


class SourceError(TaplabError):
    """The source cannot be read as video, images or labels."""


class ModelError(TaplabError):
    """The model is unknown, or does not fit its weights or its input."""


class DeviceError(TaplabError):
    """The asked device is not available; taplab never falls back silently."""


class OutputError(TaplabError):
    """The output cannot be written."""


class SettingError(TaplabError, ValueError):
    """A setting is outside what is allowed."""


class MissingExtraError(TaplabError, ImportError):
    """An optional dependency is missing; the message holds the ``pip install`` line."""
