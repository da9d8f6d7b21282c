"""What a user would pick instead, on the same topic in the same run: `python -m tests.benchmarks.peers`.

The peers live in an environment of their own, pinned by `requirements.txt`; their scripts (`with_*.py`) run
there and import nothing of Doublegate's.
"""
