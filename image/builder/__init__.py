"""Builds an image with the standard library only: it runs before anything of ours is installed."""
