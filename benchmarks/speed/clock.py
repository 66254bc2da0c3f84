"""What an epoch cost: seconds on the wall and on the processors, of this process and its workers."""

import json
import os
import resource
import time


def processor_seconds():
    """Return the processor time of this process, of its workers that live and of those that ended."""
    own, ended = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return sum(u.ru_utime + u.ru_stime for u in (own, ended)) + _living_children()


def _living_children():
    try:
        import psutil
    except ImportError:
        return 0.0
    spent = 0.0
    for child in psutil.Process().children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.Error:
            continue
        spent += times.user + times.system
    return spent


class Clock:
    """Laps of (name, samples): wall and processor seconds since the last."""

    def __init__(self):
        self.laps = []
        self.restart()

    def restart(self):
        self._wall, self._processor = time.perf_counter(), processor_seconds()

    def lap(self, name, samples):
        wall, processor = time.perf_counter(), processor_seconds()
        self.laps.append(
            {
                "name": name,
                "samples": samples,
                "wall": wall - self._wall,
                "processor": processor - self._processor,
            }
        )
        self._wall, self._processor = wall, processor

    def tell(self, **facts):
        """Print everything as the last line, which is what the conductor reads."""
        threads = int(os.environ.get("OMP_NUM_THREADS", 0)) or None
        print(json.dumps({"laps": self.laps, "threads": threads, **facts}), flush=True)
