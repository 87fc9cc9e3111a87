"""Frames from cameras, files and URLs."""
