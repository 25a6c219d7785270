"""What is typed: bodies, days and lines of text, whatever form they come from."""
