from apps.reports.selectors.facts.gathering import Facts, Question

__all__ = ["Facts", "Question"]
