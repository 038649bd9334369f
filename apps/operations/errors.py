class BackupError(Exception):
    """No backup was made or restored; the text says why to the person who asked."""
