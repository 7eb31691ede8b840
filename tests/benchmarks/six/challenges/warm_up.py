from labkit.challenges.six.all_six import warm_up as challenge

__all__ = ["challenge"]
