"""What stock detect-secrets finds, in much less time."""
