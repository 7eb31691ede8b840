from labkit.challenges.six.all_six import lora_count as challenge

__all__ = ["challenge"]
