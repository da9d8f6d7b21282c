"""Renders the trees of `deploy/gitops` from the Pulumi program; `make render` and `make check` call it."""
