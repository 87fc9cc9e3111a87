"""Teaches the packaged model one person's headphones, in half a minute and without PyTorch."""
