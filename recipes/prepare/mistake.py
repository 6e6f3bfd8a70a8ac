class Mistake(Exception):
    """What the user has to put right: told as one sentence, exit code 2."""
