"""A network as a picture of its NIR graph, by nirviz (and Graphviz's `dot`)."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

from onchip.deploy.interchange.nir_package import nirviz_package
from onchip.deploy.interchange.writing import to_nir
from onchip.files.writing import write_text
from onchip.network.graph import Network
from onchip.network.learning import without_learning
from onchip.network.spec import NetworkSpec


def picture(network: NetworkSpec | Network) -> Any:
    """Return nirviz's picture of a float network, which a notebook shows by its `viz_graph`.

    Learning is left out. Raises ValueError as `to_nir`, and where nirviz is not installed.
    """
    nirviz = nirviz_package()
    return nirviz.visualize(to_nir(without_learning(network), dt=1.0), orientation="vertical")


def draw(network: NetworkSpec | Network, path: str | Path) -> None:
    """Write the picture of a network: .svg, or .dot for the drawing's text, which needs no `dot`.

    Raises ValueError as `picture`, for another suffix and where Graphviz is not installed.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (".svg", ".dot"):
        raise ValueError(f"drawing {path}: {suffix or 'no suffix'} is unknown; use .svg or .dot")
    drawn = picture(network).viz_graph
    write_text(path, drawn.source if suffix == ".dot" else svg_of(drawn))


def svg_of(drawn: Any) -> str:
    """Return a drawing as SVG; ValueError where Graphviz's `dot` is not installed."""
    with contextlib.redirect_stderr(io.StringIO()):
        try:
            text: str = drawn.pipe(format="svg", encoding="utf-8")
        except Exception as error:  # graphviz.ExecutableNotFound, CalledProcessError
            reason = " ".join(str(error).split())[:120]
            raise ValueError(
                f"drawing: Graphviz's dot does not run ({reason}); install Graphviz, or write .dot"
            ) from None
    return text
