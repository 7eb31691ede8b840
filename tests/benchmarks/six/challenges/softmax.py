from labkit.challenges.six.all_six import softmax as challenge

__all__ = ["challenge"]
