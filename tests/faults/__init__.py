"""Long runs of the faults that the test suite tries briefly."""
