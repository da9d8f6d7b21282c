"""Tests of what the charts are made of, without Helm."""
