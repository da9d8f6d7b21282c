"""What should be, as a pure function of the resource and of what was observed. No I/O, no clock."""
