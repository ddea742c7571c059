"""The record of a run: its folder, metrics, rollouts, TensorBoard events and progress on screen. No torch here."""
