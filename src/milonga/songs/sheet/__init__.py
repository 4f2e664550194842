"""The song sheet: its model, its YAML, its fields."""
