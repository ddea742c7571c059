"""`r1kit run`: stages planned and checked before the first one starts, then run, skipped or resumed."""
