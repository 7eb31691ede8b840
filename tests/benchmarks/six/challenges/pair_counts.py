from labkit.challenges.six.all_six import pair_counts as challenge

__all__ = ["challenge"]
