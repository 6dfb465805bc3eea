"""What the directory of a run is."""
