"""Files that are whole or absent: the one way in which the three packages write.

`targets` says what a path stands for and refuses what cannot be written, `temporary` makes the file
that takes a target's place and removes those that a killed process left, `writing` puts the two
together for bytes, text, JSON and tables, `seal` adds a digest to files in the zip format.
"""
