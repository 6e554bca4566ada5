"""Keypoints with known wrong labels, written as files of several formats; see `keypoint_files.py`."""
