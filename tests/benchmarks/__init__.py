"""The figures of the README, measured on the real servers: `python -m tests.benchmarks` (make bench).

Every case runs in a process of its own (`worker`), round by round, so that the cases of one round see the
same machine; ratios are taken within a round, and their median is reported.
"""
