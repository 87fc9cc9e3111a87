"""How good a model is: on labelled pictures, and in the whole pipeline on a video."""
