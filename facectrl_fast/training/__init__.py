"""Training and exporting models; needs the extra ``train``."""
