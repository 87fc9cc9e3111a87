"""Plain NumPy (and plain Python) versions of every native kernel, written for reading."""

from __future__ import annotations

import numpy as np

from facectrl_fast.types import PixelFormat


def gray(image: np.ndarray, pixel_format: PixelFormat) -> np.ndarray:
    """Float64 gray in 0..255, shape (h, w)."""
    if pixel_format is PixelFormat.BGR24:
        return image @ np.array([0.114, 0.587, 0.299])
    if pixel_format is PixelFormat.GRAY8:
        return image.astype(np.float64)
    luma = {
        PixelFormat.YUYV: lambda: image[:, :, 0],
        PixelFormat.UYVY: lambda: image[:, :, 1],
        PixelFormat.NV12: lambda: image[: image.shape[0] * 2 // 3],
    }[pixel_format]()
    return np.clip((luma.astype(np.float64) - 16) * 255 / 219, 0, 255)


def crop_box(box, frame_width, frame_height, expansion, unit):
    """The crop in whole pixels (x, y, width, height); None outside the frame."""
    x, y, width, height = box
    grow = (expansion[0] * width, expansion[1] * height) if unit == "relative" else expansion
    result = []
    for start, length, more, limit in (
        (x, width, grow[0], frame_width),
        (y, height, grow[1], frame_height),
    ):
        first = start - more / 2
        first, last = max(first, 0), min(first + (length + more), limit)
        if not last > first:
            return None
        first = min(int(np.floor(first + 0.5)), limit - 1)
        last = max(int(np.floor(last + 0.5)), first + 1)
        result.append((first, last - first))
    (x, width), (y, height) = result
    return x, y, width, height


def bilinear_matrix(source: int, target: int) -> np.ndarray:
    """(target, source) weights: half-pixel centres, edges repeated, no antialiasing."""
    matrix = np.zeros((target, source))
    for i in range(target):
        centre = (i + 0.5) * source / target - 0.5
        left = int(np.floor(centre))
        for pixel, weight in ((left, 1 - (centre - left)), (left + 1, centre - left)):
            matrix[i, min(max(pixel, 0), source - 1)] += weight
    return matrix


def area_matrix(source: int, target: int) -> np.ndarray:
    """(target, source) weights: the mean of the source pixels that each target pixel covers."""
    edges = np.arange(target + 1) * source / target
    pixels = np.arange(source)
    cover = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    cover = np.maximum(cover, 0)
    return cover / cover.sum(axis=1, keepdims=True)


def preprocess(image, pixel_format, box, shape, expansion, unit, resampling):
    """Float64 (h, w) in 0..1."""
    picture = gray(image, pixel_format)
    x, y, width, height = crop_box(box, picture.shape[1], picture.shape[0], expansion, unit)
    crop = picture[y : y + height, x : x + width] / 255
    matrix = bilinear_matrix if resampling == "bilinear" else area_matrix
    return matrix(height, shape[0]) @ crop @ matrix(width, shape[1]).T


COLUMNS, ROWS, SAMPLES = 32, 24, 4


def gate_cells(image, pixel_format):
    """(24, 32) means of 4 x 4 samples spread evenly over each cell."""
    picture = gray(image, pixel_format)
    height, width = picture.shape
    rows = [(2 * j + 1) * height // (2 * ROWS * SAMPLES) for j in range(ROWS * SAMPLES)]
    columns = [(2 * i + 1) * width // (2 * COLUMNS * SAMPLES) for i in range(COLUMNS * SAMPLES)]
    samples = picture[np.ix_(rows, columns)]
    return samples.reshape(ROWS, SAMPLES, COLUMNS, SAMPLES).mean(axis=(1, 3))


def gate_residuals(now, kept):
    """What is left of each cell's change once gain and offset of the whole are taken out."""
    deviations = kept - kept.mean()
    variance = (deviations**2).sum()
    gain = 1.0
    if variance > kept.size:
        gain = np.clip((deviations * (now - now.mean())).sum() / variance, 0.5, 2.0)
    return np.abs(now - now.mean() - gain * deviations)


def moved_share(now, kept):
    """The share of cells that changed more than noise explains, and the limit it was held to."""
    residuals = gate_residuals(now, kept)
    noise = np.sort(residuals.ravel())[int(np.float32(0.2) * residuals.size)] / 0.2533
    limit = np.clip(5 * noise, 5, 20)
    return (residuals > limit).mean(), limit


def patch_cells(image, pixel_format, box, columns, rows):
    """(rows, columns) means of 2 x 2 samples a cell of the box; outside, the edge goes on."""
    picture = gray(image, pixel_format)
    x, y, width, height = box

    def places(start, pitch, cells, limit):
        at = np.floor(start + (np.arange(cells * 2) + 0.5) * pitch / 2)
        return np.clip(at, 0, limit - 1).astype(int)

    ys = places(y, height / rows, rows, picture.shape[0])
    xs = places(x, width / columns, columns, picture.shape[1])
    return picture[np.ix_(ys, xs)].reshape(rows, 2, columns, 2).mean(axis=(1, 3))


def similarities(first, second, pixel_format, box):
    """(21, 17) correlations of the box's patch with those shifted by whole cells around it."""
    x, y, width, height = box
    wanted = patch_cells(first, pixel_format, box, 16, 20)
    around = patch_cells(
        second, pixel_format, (x - width / 2, y - height / 2, 2 * width, 2 * height), 32, 40
    )
    windows = np.lib.stride_tricks.sliding_window_view(around, (20, 16))
    deviations = windows - windows.mean(axis=(2, 3), keepdims=True)
    wanted = wanted - wanted.mean()
    norms = np.sqrt((deviations**2).sum(axis=(2, 3)) * (wanted**2).sum())
    flat = (deviations.std(axis=(2, 3)) < 2) | (wanted.std() < 2)
    return np.where(flat, 0, (deviations * wanted).sum(axis=(2, 3)) / np.maximum(norms, 1e-9))


class Votes:
    """The vote window the slow way: keeps every vote."""

    def __init__(self, windows, least_votes):
        self.windows, self.least_votes, self.votes = windows, least_votes, []

    def add(self, verdict, timestamp):
        """Whether the verdict has held for its whole window."""
        window = self.windows[verdict]
        if self.votes and not 0 <= timestamp - self.votes[-1][1] <= window:
            self.votes = []
        self.votes.append((verdict, timestamp))
        streak = []
        for vote in reversed(self.votes):
            if vote[0] != verdict:
                break
            streak.append(vote[1])
        recent = [t for t in streak if timestamp - t <= window]
        return timestamp >= streak[-1] + window and len(recent) >= self.least_votes


def decode_boxes(levels, outputs, least_score):
    """Boxes (n, 5) with their scores, of a detector's outputs, in no order.

    ``levels`` are (stride, [(width, height), ...]); ``outputs`` have the logits of each, then the
    offsets.
    """
    boxes = []
    for (stride, shapes), (planes,) in zip(levels, outputs, strict=True):
        logits, offsets = planes[: len(shapes)], planes[len(shapes) :]
        for anchor, (width, height) in enumerate(shapes):
            for row, column in np.ndindex(logits.shape[1:]):
                score = 1 / (1 + np.exp(-float(logits[anchor, row, column])))
                if score < least_score:
                    continue
                dx, dy, dw, dh = map(float, offsets[4 * anchor : 4 * anchor + 4, row, column])
                w, h = width * np.exp(0.2 * dw), height * np.exp(0.2 * dh)
                x = (column + 0.5) * stride + 0.1 * dx * width - w / 2
                y = (row + 0.5) * stride + 0.1 * dy * height - h / 2
                boxes.append((x, y, w, h, score))
    return np.array(boxes).reshape(-1, 5)


def fitting(rows, columns, multiple, most_pixels, most_side):
    """The nearest rows and columns of whole multiples, smaller where they are too many."""
    if rows * columns > most_pixels or max(rows, columns) > most_side:
        shrink = min((most_pixels / (rows * columns)) ** 0.5, 1)
        rows, columns = min(rows * shrink, most_side), min(columns * shrink, most_side)
    most = max(most_side // multiple, 1)
    return tuple(min(max(round(side / multiple), 1), most) * multiple for side in (rows, columns))


def shown(image, pixel_format, part, shape, rows_read):
    """Float64 (h, w) in 0..1 of a part of a picture; of many rows some are left out."""
    x, y, width, height = part
    step = max(height // (rows_read * shape[0]), 1)
    crop = gray(image, pixel_format)[y : y + height, x : x + width][(step - 1) // 2 :: step] / 255
    return area_matrix(len(crop), shape[0]) @ crop @ area_matrix(width, shape[1]).T


def suppress(boxes, most_overlap):
    """Of boxes (n, 5), best first, those that no better one covers."""
    kept = []
    for box in sorted(boxes.tolist(), key=lambda box: -box[4]):
        if all(intersection_over_union(box, better) <= most_overlap for better in kept):
            kept.append(box)
    return np.array(kept).reshape(-1, 5)


def intersection_over_union(a, b):
    """Of boxes x, y, width, height."""
    wide = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    tall = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if wide <= 0 or tall <= 0:
        return 0.0
    return wide * tall / (a[2] * a[3] + b[2] * b[3] - wide * tall)
