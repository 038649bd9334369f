from apps.ml.services.diagnosing.asking import diagnose_client, diagnose_run, diagnose_test

__all__ = ["diagnose_client", "diagnose_run", "diagnose_test"]
