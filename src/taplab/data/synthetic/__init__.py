"""A procedural street drive with exact labels: material for tests, demos and training without outside data."""

from taplab.data.synthetic.drive import SyntheticDrive

__all__ = ["SyntheticDrive"]
