"""Workers on a Ray cluster: one that is started here, or one that is joined."""
