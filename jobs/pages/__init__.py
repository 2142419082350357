"""Pages and Markdown for people, from what stages and look-ups found."""
