"""The demo: a real data set on real servers, faults on the way, and a proof from the far side's own records.

`doublegate.demo.run.demonstrate` is the whole of it; the CLI's `demo` calls it.
"""
