"""The process: assembly, threads, owned lanes, liveness, metrics. The top of consumer: it imports every room but
offline."""
