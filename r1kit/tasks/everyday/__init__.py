"""Requests about everyday things, some of them harmful, for reward models and for RL in all scenarios on the tiny base.

`words` holds the vocabulary in English and Chinese, `requests` every request and which are held out, `replies` writes
good and bad completions, `rules` says which are helpful and harmless, and `files` lists the data files that the
repository ships.
"""
