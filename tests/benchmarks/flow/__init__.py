"""`make bench-flow`: a spike, a fan-out with one slow group, and a downstream that degrades."""
