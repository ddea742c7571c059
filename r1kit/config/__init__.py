"""Configuration schemas: one section per concern, one class per stage, and the pipeline. No torch here."""
