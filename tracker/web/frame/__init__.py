"""What every request passes on its way in and out: who asks, what guards, how pages look."""
