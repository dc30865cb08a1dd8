"""The paper's three ideas as plain functions: fast feature warping, residual-guided correction and frame selection."""
