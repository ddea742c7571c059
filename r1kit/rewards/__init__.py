"""Text in, verdict and reward out: math, format, language, length and their weighted sum. No torch here.

Nothing is imported at this level, so that `r1kit.rewards.math` can be used alone and loads fast.
"""
