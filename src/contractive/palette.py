"""The colours of lines in figures and plots: those of Okabe and Ito, Color universal design, 2008.

People with any colour vision can tell them apart. Yellow and black, which vanish on white or on black, are
left out.
"""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
