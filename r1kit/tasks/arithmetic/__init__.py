"""The tiny arithmetic task: left-to-right chains small enough for a laptop to learn the whole recipe on.

`chains` draws them, `held_out` decides which may never be seen in training, `problems` turns them into
problems, `traces` writes worked replies, `reading` reads replies back, `corpus` and `words` make what the tiny
base is trained on, and `files` lists the data files that the repository ships.
"""
