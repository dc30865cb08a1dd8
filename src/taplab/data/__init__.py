"""Labelled images and clips: CamVid, Cityscapes, any folder of frames, and the synthetic drive."""
