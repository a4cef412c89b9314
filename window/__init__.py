"""Samples, their merge by time, the rolling windows and the 14 features. Pure: no AWS, no environment, no clock."""
