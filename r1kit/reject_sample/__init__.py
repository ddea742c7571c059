"""`r1kit reject-sample`: the good ones of many samples become a data set for SFT."""

from r1kit.reject_sample.run import run

__all__ = ["run"]
