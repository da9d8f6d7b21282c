"""Wall and CPU time of a peer's run; shared by the scripts, which run in another environment than ours."""

import json
import sys
import time


class Clock:
    """Starts with the first event, ends with the last, then prints the answer that the benchmark reads."""

    def __init__(self) -> None:
        self.job = json.loads(sys.argv[1])
        self.seen = 0
        self._begun = (0.0, 0.0)

    def tick(self) -> bool:
        """One event is finished; whether it was the last."""
        if not self.seen:
            self._begun = (time.perf_counter(), time.process_time())
        self.seen += 1
        return self.seen >= self.job["events"]

    def answer(self, new: int) -> None:
        """Print the rates; every event has to have been new."""
        wall = time.perf_counter() - self._begun[0]
        cpu = time.process_time() - self._begun[1]
        if new < self.seen:
            sys.exit(f"{new} of {self.seen} events were new")
        answer = {
            "events": self.seen,
            "seconds": wall,
            "cpu_seconds": cpu,
            "events_per_second": self.seen / wall,
            "events_per_cpu_second": self.seen / cpu,
            "server_cpu_seconds": {},
            "rss_bytes": 0,
        }
        sys.stdout.write(f"\n{json.dumps(answer)}\n")
        sys.stdout.flush()
