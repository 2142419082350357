"""What a campaign changed: windows, sums, differences with their intervals, and what they allow to be said."""
