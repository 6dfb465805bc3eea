"""Checks of settings, shared by constructors and the command line.

Nothing in this package imports torch: a mistake in the configuration is told before the heavy imports.
"""
