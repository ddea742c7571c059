"""What every trained stage shares: optimizer and schedule, forward passes, micro-batches."""
