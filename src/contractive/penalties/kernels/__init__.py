"""How each method computes the penalty."""
