"""Dead letters as things to look at and to send again: the CLI's `dlq` and `inspect`, and the replay's job.

`letters` reads and describes them, `selection` decides which are replayed (pure), `replay` sends them, `scan`
reads a topic up to where it ends now.
"""
