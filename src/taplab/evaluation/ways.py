"""The ways of working that are compared."""

from dataclasses import asdict, dataclass, field

from taplab.policies import PaperSettings


@dataclass(frozen=True)
class Way:
    """A mode and its settings."""

    mode: str
    settings: PaperSettings = field(default_factory=lambda: PaperSettings(("ffw",)))

    @property
    def title(self) -> str:
        """For tables: "per-frame", "paper ffw+rgc, interval 12"."""
        if self.mode == "per-frame":
            return self.mode
        modules = self.settings.modules
        named = f" {'+'.join(modules)}" if self.mode == "paper" or modules != ("ffw",) else ""
        return f"{self.mode}{named}, interval {self.settings.interval}"

    @property
    def key(self) -> str:
        """Other for other settings."""
        return repr((self.mode, sorted(asdict(self.settings).items())) if self.mode != "per-frame" else self.mode)
