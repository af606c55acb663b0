"""What a simple learner makes of some samples of both splits, and what the task's metric makes of answers.

Knows no rule. Judges nothing.
"""
