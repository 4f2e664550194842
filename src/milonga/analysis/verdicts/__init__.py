"""What figures are worth: known damage, impostors, verdicts."""
