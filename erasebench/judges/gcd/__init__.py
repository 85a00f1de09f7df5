"""The Giphy Celebrity Detector: face detection, its networks, its judge."""
