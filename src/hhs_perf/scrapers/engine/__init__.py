"""The engine: from accounts to outcomes, within the limits of each platform."""
