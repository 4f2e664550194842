"""Studies: many takes by plan, their figures as a table, and what the table shows."""
