"""Frames: digits-dvs (built on demand), tonic's event data sets, and CIFAR's pictures."""

from models.data.dataset import DatasetInfo, FrameDataset
from models.data.digits_dvs import digit_events
from models.data.event_camera import EventCamera
from models.data.events import name_columns
from models.data.load import dataset_table, load_dataset
from models.data.sensor import SensorConfig

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
