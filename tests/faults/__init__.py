"""The promise under faults: schedules of injected failures on real servers, and a checker of what came of it.

`python -m tests.faults --schedules N --seed S` runs N schedules that follow from the seed. What is drawn is
in `plan`, how each fault is done in `faults`, the servers in `world`, one schedule's way in `run`, what must
hold in `checker`. Consumers are real processes (`member`) of the code as it is; `points` lets one kill itself
at a given step, `broken` breaks it on purpose, to see that the checker notices.
"""
