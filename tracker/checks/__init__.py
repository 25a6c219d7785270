"""What `tracker check` looks at: each check yields facts, and findings numbered for good."""
