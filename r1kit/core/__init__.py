"""The words every room speaks: problems, completions, rollouts, verdicts, errors and seeds. No torch here."""
