"""What was found, written for persons and programs, and read from the files of other scanners."""
