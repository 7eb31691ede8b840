from labkit.challenges.six.all_six import top_k as challenge

__all__ = ["challenge"]
