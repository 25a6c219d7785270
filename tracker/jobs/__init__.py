"""What runs by itself: one file a job, and what decides which jobs are due."""
