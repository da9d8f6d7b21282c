"""Runs in a pod: the demo's external API, which keeps how often it was told what."""

from pathlib import Path

from aiohttp import web

from doublegate.demo.far_side import FarSide, make_app

with Path("/tmp/calls.jsonl").open("a") as calls:
    web.run_app(make_app(FarSide(calls)), port=8080, access_log=None)
