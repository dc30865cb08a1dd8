"""What may be spent, and when: a bucket of network passes, and one of seconds."""

from collections.abc import Callable

# Of all that is there to spend, what may go to regions between key frames: what ``Regular`` spends on those of 4:3
# video, 0.22 passes each, three between two key frames.
FOR_REGIONS = 0.4
_SMOOTHING = 0.2  # share of the newest value in a running mean


class Bucket:
    """Every frame earns ``budget`` passes, every key frame takes one out: the mean cost stays within the budget.

    Passes are kept for where they are needed: an emptier bucket wants a greater need than was usual so far, a full one
    (``depth`` passes) spends them on any. ``level``: passes in it; negative after key frames that had to be.
    """

    def __init__(self, budget: float, depth: float = 2.0) -> None:
        self.budget, self.depth, self.level = budget, max(depth, 2.0), 0.0
        self._usual: float | None = None
        self._for_regions = 0.0  # of what is in it

    def earn(self, frames: int = 1) -> None:
        """Some frames came."""
        self.level += self.budget * frames

    def spend(self, passes: float = 1.0) -> None:
        """A key frame, or part of one."""
        self.level -= passes

    def put_by(self, cost: float) -> None:
        """The share of regions, ``cost`` passes each, in what a frame earns."""
        self._for_regions = min(self._for_regions + FOR_REGIONS * self.budget, 2 * cost)

    def spends_on_region(self, cost: float) -> bool:
        """Spends ``cost`` passes on a region if they are put by, and there."""
        granted = min(self._for_regions, self.level) >= cost - 1e-9
        if granted:
            self._for_regions -= cost
            self.level -= cost
        return granted

    def learn(self, need: float) -> None:
        """What the least need was on which a key frame was spent."""
        self._usual = need if self._usual is None else self._usual + _SMOOTHING * (need - self._usual)

    def grants(self, need: float, *, reserve: float = 0.0, last: bool = False) -> bool:
        """May a key frame be spent on this need?

        reserve: passes that are to be left for what will have to be. last: nothing comes after it to save for.
        """
        free = self.level - reserve
        if free < 1 - 1e-9:
            return False
        return last or self._usual is None or need >= 2 * (1 - free / self.depth) * self._usual


class Pace:
    """Keeps a speed: decides by the time that frames take when the network may run again.

    Every frame earns ``1 / target`` seconds and spends what it takes; a network pass is affordable once the seconds
    saved are those that one takes. So the mean speed is the target wherever the rest leaves time for passes at all.
    What waiting for the source takes is not counted: a camera is not slow.

    target: frames a second. clock: seconds.
    """

    def __init__(self, target: float, clock: Callable[[], float]) -> None:
        self.target, self.clock = target, clock
        self.saved = 0.0
        self.network = 0.0  # seconds a pass, running mean; 0 before the first
        self.region = 0.0  # seconds for a region, running mean; 0 before the first
        self.rest = 0.0  # seconds a frame for all else, running mean
        self._for_regions = 0.0  # of what is saved
        self._frames = self._passes = self._regions = 0

    @property
    def affordable(self) -> bool:
        """May the network run on the frame at hand?"""
        return self.saved + self._left >= self.network

    def put_by(self) -> None:
        """The share of regions in what the frame at hand leaves."""
        self._for_regions = min(self._for_regions + max(FOR_REGIONS * self._left, 0.0), 2 * self.region)

    @property
    def affords_region(self) -> bool:
        """May the network see a region of the frame at hand?"""
        return min(self._for_regions, self.saved + self._left) >= self.region

    @property
    def _left(self) -> float:
        """Seconds that the frame at hand leaves for the network."""
        return 1 / self.target - self.rest

    @property
    def interval(self) -> float:
        """Frames between passes that the measured times lead to; infinite if the rest alone is too slow."""
        return max(self.network / self._left, 1.0) if self._left > 0 else float("inf")

    def add(self, seconds: float, network: float | None = None, region: float | None = None) -> None:
        """A frame took so many seconds in all, of them ``network`` for a pass and ``region`` for one of a region."""
        self.rest = _mean(self.rest, seconds - (network or 0.0) - (region or 0.0), self._frames)
        self._frames += 1
        if region is not None:
            self.region = _mean(self.region, region, self._regions)
            self._regions += 1
            self._for_regions = max(self._for_regions - region, 0.0)
        if network is not None:
            self.network = _mean(self.network, network, self._passes)
            self._passes += 1
        most = self.network + 1 / self.target  # neither a rest nor a jam is made up for long after
        self.saved = min(max(self.saved + 1 / self.target - seconds, -2 * most), most)


def _mean(mean: float, value: float, count: int) -> float:
    """A running mean: of all values at first, of about the last five later. One slow frame counts twice at most.

    The first value is only there until there is another: what is compiled or loaded at first use is in it.
    """
    if count < 2:
        return value
    return mean + max(_SMOOTHING, 1 / count) * (min(value, 2 * mean) - mean)
