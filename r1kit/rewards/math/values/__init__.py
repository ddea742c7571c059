"""What a tree is worth, and whether two are worth the same.

`evaluate` computes with exact fractions, `irrational` with as many digits as it takes, `symbolic` asks sympy through
`build`; `equality` compares.
"""
