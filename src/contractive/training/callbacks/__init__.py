"""What happens around training, one file for each callback; ``conf/callbacks`` names those of a run."""
