"""Tests of the operator's core."""
