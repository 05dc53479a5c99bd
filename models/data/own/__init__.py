"""Data of one's own: frames or events in a file or in folders by class, and datasets of others.

`samples` is what was found at a path, `array_files` and `folders` find it, `recordings` read one
recording, `loading` makes frames with their split, `objects` take datasets of tonic and torch.
"""
