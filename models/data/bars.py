"""Progress bars: tqdm's, HTML in a notebook with widgets, and no warning in one without them.

Import `tqdm` from here.
"""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "IProgress not found")
    from tqdm.auto import tqdm as tqdm
