"""What changes state outside a night: each takes the lease and publishes a release, or copies and delivers one."""
