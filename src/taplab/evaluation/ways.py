"""The ways of working that are compared."""

import hashlib
import sys
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path

from taplab.policies import Dial, PaperSettings


@dataclass(frozen=True)
class Way:
    """A mode, its settings, what is asked of it, and by how many processes it is done."""

    mode: str
    settings: PaperSettings = field(default_factory=lambda: PaperSettings(("ffw",)))
    dial: Dial = field(default_factory=Dial)
    processes: int = 1

    @property
    def title(self) -> str:
        """For tables: "per-frame", "paper ffw+rgc, interval 12, 4 processes"."""
        return self._title + (f", {self.processes} processes" if self.processes > 1 else "")

    @property
    def _title(self) -> str:
        if self.mode == "per-frame":
            return self.mode
        modules, motion = self.settings.modules, self.settings.motion
        more = (", edges" if self.settings.edges else "") + (f", motion {motion}" if motion != "auto" else "")
        named = f" {'+'.join(modules)}" if self.mode == "paper" or modules != ("ffw",) else ""
        for name, value in self.dial.asked.items():
            return f"{self.mode}{named}, {name} {value:g}{more}"
        return f"{self.mode}{named}, interval {self.settings.interval}{more}"

    @property
    def key(self) -> str:
        """Other for other settings, and for another source of the flow; by how many it is done is not asked."""
        if self.mode == "per-frame":
            return self.mode
        flow = (_flow_source(self.mode.removeprefix("flow:")),) if self.mode.startswith("flow:") else ()
        asked = (self.dial,) if self.dial.asked else ()
        return repr((self.mode, sorted(asdict(self.settings).items()), *flow, *asked))


@lru_cache
def _flow_source(name: str) -> str:
    """Hash of the file that a flow is made from: its weights, or the module of ``python:MODULE:CALLABLE``.

    Once a run, as the module is loaded once. What the module itself imports or loads is not in it.
    """
    from taplab.models import flow

    if name == "net":
        file: str | Path | None = flow.BUNDLED
    elif name.startswith("python:"):
        flow.load_flow(name)  # refuses what is not there
        file = sys.modules[name.split(":")[1]].__file__
    else:
        file = None  # of OpenCV
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16] if file else ""
