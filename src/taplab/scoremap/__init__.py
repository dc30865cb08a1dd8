"""What is done at the size of the score map: pictures compared, scores mixed, contours found; on a CPU or a GPU."""
