"""Inside transforms/expressions.py: types, allowed functions, and how a parsed expression is written as safe SQL."""
