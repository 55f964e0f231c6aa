"""What is given arrays where nothing is traced: functions, transforms, and `gc.function`."""
