"""Frames: digits-dvs (built on demand), tonic's event data sets, and CIFAR's pictures."""

from onchip.models.data.dataset import DatasetInfo, FrameDataset
from onchip.models.data.digits_dvs import digit_events
from onchip.models.data.event_camera import EventCamera
from onchip.models.data.events import name_columns
from onchip.models.data.load import dataset_table, load_dataset
from onchip.models.data.sensor import SensorConfig

__all__ = [
    "DatasetInfo",
    "EventCamera",
    "FrameDataset",
    "SensorConfig",
    "dataset_table",
    "digit_events",
    "load_dataset",
    "name_columns",
]
