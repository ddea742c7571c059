"""The judge, outside the jail: it alone knows what is expected, and decides on plain data that comes out."""
