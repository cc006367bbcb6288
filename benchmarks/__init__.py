"""What authflow costs. See README.md."""
