"""Accuracy against truth, and the protocol by which it is measured."""
