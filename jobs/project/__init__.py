"""A project before its first night: the starter, what a file looks like, the reference pages."""
