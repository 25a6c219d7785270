"""What people say of themselves: addresses, memberships, wishes, requests for time."""
