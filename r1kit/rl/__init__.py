"""What the algorithms of reinforcement learning share: problems in turn, rows to train on, passes, the loop."""
