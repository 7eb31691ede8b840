from labkit.challenges.six.all_six import causal_mask as challenge

__all__ = ["challenge"]
