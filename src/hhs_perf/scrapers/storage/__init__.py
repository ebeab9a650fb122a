"""Where accounts come from and snapshots go: databases, JSON Lines, CSV."""
