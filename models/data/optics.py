"""What the simulated event camera's pixels see of a picture that moves on a monitor."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from onchip.models.data.sensor import SensorConfig

_POINTS = 2  # per sensor pixel and axis: a pixel averages the monitor over them


def path_positions(config: SensorConfig) -> np.ndarray:
    """Offsets (x, y) of the picture over one loop, in monitor pixels: [4 * segment, 2].

    One position a monitor pixel, centered on the optical axis.
    """
    r = config.segment / np.sqrt(2.0)
    corners = np.array([[0, -r], [r, 0], [0, r], [-r, 0], [0, -r]])
    along = np.arange(config.segment)[:, None] / config.segment
    return np.concatenate([corners[k] + (corners[k + 1] - corners[k]) * along for k in range(4)])


def optical_map(config: SensorConfig, scene_pixels: int) -> sparse.csr_matrix:
    """The linear map from a picture to what each pixel sees at each position of the path.

    [positions * pixels, scene_pixels**2]; a sensor pixel averages over points of the monitor, each
    interpolated bilinearly between the picture's pixels; outside of the picture the monitor is
    black.
    """
    fine = config.pixels * _POINTS
    axis = ((np.arange(fine) + 0.5) / _POINTS - config.pixels / 2) * config.monitor_per_pixel
    x, y = np.meshgrid(axis, axis)
    angle = np.deg2rad(config.rotation_degrees)
    x, y = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    coarse = np.arange(fine) // _POINTS
    pixel = (coarse[:, None] * config.pixels + coarse).ravel()
    views = [
        _view((x - dx).ravel(), (y - dy).ravel(), pixel, config, scene_pixels)
        for dx, dy in path_positions(config)
    ]
    return sparse.vstack(views, format="csr").astype(np.float32)


def _view(
    x: np.ndarray, y: np.ndarray, pixel: np.ndarray, config: SensorConfig, side: int
) -> sparse.csr_matrix:
    """One position's part of :func:`optical_map`, for points (x, y) relative to the picture."""
    x, y = (v / config.monitor_per_scene_pixel + (side - 1) / 2 for v in (x, y))
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    view = sparse.csr_matrix((config.pixels**2, side**2))
    for cx, cy in ((x0, y0), (x0 + 1, y0), (x0, y0 + 1), (x0 + 1, y0 + 1)):
        weight = (1 - np.abs(x - cx)) * (1 - np.abs(y - cy)) / _POINTS**2
        inside = (cx >= 0) & (cx < side) & (cy >= 0) & (cy < side)
        index = (pixel[inside], (cy * side + cx)[inside])
        view = view + sparse.csr_matrix((weight[inside], index), shape=view.shape)
    return view
