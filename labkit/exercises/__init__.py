"""Exercises in plain boto3: what to do, hints, and judges that tell a wrong answer by what it would do."""
