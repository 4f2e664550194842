"""The ground floor: devices, memory, progress, files, configuration, logs, places."""
