"""The sources of data, one to a module; none imports torch before it is read."""
