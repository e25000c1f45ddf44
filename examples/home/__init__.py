"""Hearth Devices: a small maker of a voice assistant and a doorbell, and the estate of data that it keeps."""
