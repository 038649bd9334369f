from apps.configuration.services.settings import forget_settings, store_settings

__all__ = ["forget_settings", "store_settings"]
