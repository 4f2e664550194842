"""From a sheet to takes: plan, rendering, receipts, replay."""
