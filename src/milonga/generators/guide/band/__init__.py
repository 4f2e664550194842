"""The band: styles, harmony, and what each player plays."""
