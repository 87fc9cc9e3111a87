"""Where a head is in a picture and which way it looks, from a face's five landmarks.

Head coordinates are centimetres from the middle between the ear canals: x to the picture's right
for a head that faces the camera, y down, z towards the camera. The measures are an adult's means.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import scipy.optimize

from facectrl_fast.types import Box, Float32Array

LANDMARKS = np.array(
    [[-3.15, -3.0, 6.4], [3.15, -3.0, 6.4], [0, 1.1, 9.8], [-2.5, 3.5, 7.2], [2.5, 3.5, 7.2]],
    np.float32,
)
"""Both eyes, the tip of the nose, both corners of the mouth; the order that YuNet gives them in."""
SKULL_CENTRE = np.array([0, -3.6, -0.2], np.float32)
SKULL_RADII = np.array([7.3, 11.0, 9.3], np.float32)
"""Of the ellipsoid that stands for the head."""
ERROR = 0.6
"""Centimetres by which heads differ from the model, and detected landmarks from the face's."""
PITCH_SPREAD = 25.0
"""Degrees."""
ASPECT_SPREAD = 0.15
"""Of the logarithm of a face's width by its height."""
FACE_HEIGHT = 18.3
"""From the forehead to the chin, as detectors frame it."""


@dataclass(frozen=True)
class HeadPose:
    """A scaled orthographic camera on a head."""

    rotation: Float32Array
    """(3, 3): rows are the picture's right, its down, and the way to the camera."""
    scale: Float32Array
    """(2,): pixels a centimetre, across and down; faces are wide or narrow, and so are pictures."""
    origin: Float32Array
    """(2,): the middle between the ears, in pixels."""

    @classmethod
    def from_landmarks(cls, landmarks: np.ndarray) -> HeadPose:
        """The pose whose projected landmarks fit best.

        Args:
            landmarks: (5, 2) pixels, in the order of ``LANDMARKS``.

        Raises:
            ValueError: the landmarks lie on one line.
        """
        points = np.asarray(landmarks, np.float64)
        middle, model = points.mean(0), LANDMARKS.mean(0)
        solved = np.linalg.lstsq(LANDMARKS - model, points - middle, rcond=None)[0]
        left, sizes, right = np.linalg.svd(solved.T, full_matrices=False)
        if not sizes[1] > 0.05 * sizes[0]:
            raise ValueError("landmarks on one line")
        across, down = left @ right
        start, _ = cv2.Rodrigues(np.stack([across, down, np.cross(across, down)]))

        def misfit(guess: np.ndarray) -> np.ndarray:
            rotation, _ = cv2.Rodrigues(guess[:3])
            scale = np.exp(guess[3:5])
            off = LANDMARKS @ rotation[:2].T - (points - guess[5:]) / scale
            # Five points tell little of the pitch; people mostly look ahead.
            pitch = rotation[1, 2] / np.sin(np.radians(PITCH_SPREAD))
            aspect = (guess[3] - guess[4]) / ASPECT_SPREAD
            return np.concatenate([off.ravel() / ERROR, [pitch, aspect]])

        size = np.log(sizes.max())
        guess = np.concatenate([start.ravel(), [size, size], middle])
        fitted = scipy.optimize.least_squares(misfit, guess, method="lm").x
        rotation, _ = cv2.Rodrigues(fitted[:3])
        scale = np.exp(fitted[3:5])
        return cls(*(part.astype(np.float32) for part in (rotation, scale, fitted[5:])))

    @classmethod
    def facing(cls, box: Box) -> HeadPose:
        """A head that looks into the camera, from its face box alone."""
        x, y, width, height = box
        origin = np.array([x + width / 2, y + 0.45 * height], np.float32)
        scale = np.full(2, height / FACE_HEIGHT, np.float32)
        return cls(np.eye(3, dtype=np.float32), scale, origin)

    def turned(self, rotation: np.ndarray, shift: np.ndarray, stretch: float) -> HeadPose:
        """The pose seen a little otherwise: turned, shifted by centimetres, scaled."""
        return HeadPose(
            np.asarray(self.rotation @ rotation, np.float32),
            np.asarray(self.scale * stretch, np.float32),
            np.asarray(self.origin + self.scale * shift, np.float32),
        )

    def project(self, points: np.ndarray) -> Float32Array:
        """(..., 3) head centimetres to (..., 3): pixels x, y, and depth in cm, larger is nearer."""
        seen = np.asarray(points, np.float32) @ self.rotation.T
        seen[..., :2] = seen[..., :2] * self.scale + self.origin
        return np.asarray(seen, np.float32)

    def skull_depth(self, pixels: np.ndarray) -> Float32Array:
        """How near the skull's surface is at (n, 2) pixels; minus infinity beside it."""
        # In centimetres around the skull's centre the surface is p' A p = 1; p's depth is sought.
        shape = self.rotation @ np.diag(1 / SKULL_RADII**2) @ self.rotation.T
        centre = self.rotation @ SKULL_CENTRE
        flat = (pixels - self.origin) / self.scale - centre[:2]
        linear = flat @ shape[:2, 2]
        constant = np.einsum("ni,ij,nj->n", flat, shape[:2, :2], flat) - 1
        inside = linear**2 - shape[2, 2] * constant
        depth = (np.sqrt(np.maximum(inside, 0)) - linear) / shape[2, 2] + centre[2]
        return np.where(inside > 0, depth, -np.inf).astype(np.float32)


def rotation_about(axis: int, degrees: float) -> np.ndarray:
    """(3, 3): a rotation about the x (0), y (1) or z (2) axis."""
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    matrix = np.eye(3)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix[[first, second], [first, second]] = cosine
    matrix[first, second], matrix[second, first] = -sine, sine
    return matrix
