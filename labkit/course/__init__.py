"""What a course is: its catalog of lessons, their questions, a learner's session and progress.

Knows no torch: what a check needs of it is imported when a check runs.
"""
