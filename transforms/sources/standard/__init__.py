"""Values in one standard form, whoever wrote them. One module a concern; libraries do what they know better.

Python rules are plain functions of texts that never raise; `answers` brings them to the distinct values of a frame.
"""
