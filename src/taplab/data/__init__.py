"""Labelled images, and the synthetic drive that needs no outside data."""
