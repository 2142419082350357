"""What the quality of a night is: checks as data, what they are judged against, and scores."""
