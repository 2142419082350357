"""What sets a group of customers apart from everyone: shares, indices, tests, and what is too small to be told.

Pure arithmetic over counts in NumPy: whoever counts (DuckDB, Spark, Arrow) hands over arrays. Shared by the profiles of
segments and by the insight of audiences.
"""
