"""The process: assembly, threads, lanes that are opened and owned, liveness, metrics. The top of consumer; imports
every room but offline."""
