"""Products of activations with weights in float32, bfloat16 or int8."""
