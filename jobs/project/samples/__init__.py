"""Reading some rows of a file that nobody has described yet: bounded in bytes and rows, without a JVM."""
